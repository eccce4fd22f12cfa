import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Authorizer } from '../../src/tokens/authorizer.ts';
import { type Case, cases, setting } from './vectors/cases.ts';

const own: typeof setting & { cases: Case[] } = JSON.parse(
  readFileSync(new URL('vectors/own.json', import.meta.url), 'utf8'),
);

const authorizer = new Authorizer({
  keys: {
    find: (kid) => {
      const found = own.keys.find((each) => each.kid === Buffer.from(kid).toString('base64'));
      return found && Buffer.from(found.key, 'base64');
    },
  },
  revocations: { has: (nonce) => nonce === own.revoked },
  organizations: own.organizations,
  location: own.location,
  clock: () => own.now * 1000,
});

test('own.json is what make.ts writes', () => {
  expect(own).toEqual(JSON.parse(JSON.stringify({ ...setting, cases })));
});

test('no two cases are one', () => {
  expect(new Set(own.cases.map(({ name, organization }) => `${name} ${organization}`)).size).toBe(own.cases.length);
  const inputs = own.cases.filter(({ expect }) => expect === 401).map(({ authorization }) => authorization);
  expect(new Set(inputs).size).toBe(inputs.length);
});

test.each(own.cases)('$expect for $organization: $name', ({ authorization, organization, expect: expected }) => {
  const decision = authorizer.check(authorization ?? undefined, organization);
  expect(decision.ok ? 'ok' : decision.status).toBe(expected);
  // What is logged must open nothing: no stretch of the token that is longer than its nonce.
  if (decision.ok || authorization === null) return;
  for (let i = 0; i + 8 <= authorization.length; i++) {
    expect(decision.reason.includes(authorization.slice(i, i + 8))).toBe(false);
  }
});
