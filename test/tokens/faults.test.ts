import { expect, test } from 'vitest';
import { Authorizer } from '../../src/tokens/authorizer.ts';
import { action, organization, validityWindow } from '../../src/tokens/caveats.ts';
import { formatToken } from '../../src/tokens/header.ts';
import { attenuate, type Macaroon, mint, packMacaroon } from '../../src/tokens/macaroon.ts';
import { encode } from '../../src/tokens/msgpack.ts';
import { mutate } from '../helpers/mutate.ts';
import { seeded } from '../helpers/random.ts';
import { caveat, fm2, macs, rawToken, seal, sha256 } from './raw.ts';

const [kid, key] = [sha256('kid').subarray(0, 16), sha256('key')];
const now = 1_800_000_000;
const authorizer = new Authorizer({
  keys: { find: (id) => (kid.equals(id) ? key : undefined) },
  revocations: { has: () => false },
  organizations: [{ slug: 'personal', id: 1 }],
  location: 'fly-edge',
  clock: () => now * 1000,
});
const check = (authorization: string) => authorizer.check(authorization, 'personal');

const full = mint(kid, key, 'fly-edge', sha256('rnd').subarray(0, 16));
const tokens: [string, Macaroon][] = [
  ['full', full],
  ['organization', attenuate(full, organization(1, action.all))],
  [
    'readonly with an expiry',
    attenuate(full, organization(1, action.all), validityWindow(now - 5, now + 5), organization(1, action.read)),
  ],
];

test.each(tokens)('%s: no bit can be flipped, in its bytes or in its text', (_name, token) => {
  const bytes = packMacaroon(token);
  const text = formatToken(token);
  expect(check(`FlyV1 ${fm2(bytes)}`)).toEqual({ ok: true });
  expect(text).toBe(fm2(bytes));
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] ^= 1 << (bit & 7);
    expect(check(`FlyV1 ${fm2(flipped)}`), `bit ${bit}`).toMatchObject({ ok: false, status: 401 });
  }
  for (let bit = 0; bit < text.length * 8; bit++) {
    const flipped = Buffer.from(text);
    flipped[bit >> 3] ^= 1 << (bit & 7);
    expect(check(`FlyV1 ${flipped.toString('latin1')}`), `bit ${bit}`).toMatchObject({ ok: false, status: 401 });
  }
});

test('no bit of a discharge, or of the token that needs it, can be flipped', () => {
  const dischargeKey = sha256('discharge');
  const ticket = sha256('ticket');
  const own = { nonce: encode([kid, sha256('rnd').subarray(0, 16), false]), location: encode('fly-edge'), key };
  const sealed = seal(macs({ ...own, caveats: [] })[0], dischargeKey, Buffer.alloc(12, 1));
  const parts = [
    rawToken({ ...own, caveats: [caveat(11, ['https://auth.example', sealed, ticket])] }),
    rawToken({
      nonce: encode([ticket, sha256('other').subarray(0, 16), true]),
      location: encode('https://auth.example'),
      key: dischargeKey,
      caveats: [caveat(4, [0, now])],
      proof: true,
    }),
  ];
  const both = (list: Buffer[]): string => `FlyV1 ${list.map(fm2).join(',')}`;
  expect(check(both(parts))).toEqual({ ok: true });
  for (const [which, part] of parts.entries()) {
    for (let bit = 0; bit < part.length * 8; bit++) {
      const flipped = Buffer.from(part);
      flipped[bit >> 3] ^= 1 << (bit & 7);
      expect(check(both(parts.with(which, flipped))), `bit ${bit}`).toMatchObject({ ok: false, status: 401 });
    }
  }
});

test('no beginning and no end of a token is one', () => {
  const text = formatToken(tokens[2][1]);
  for (let i = 1; i < text.length; i++) {
    expect(check(`FlyV1 ${text.slice(0, i)}`)).toMatchObject({ status: 401 });
    expect(check(`FlyV1 ${text.slice(i)}`)).toMatchObject({ status: 401 });
  }
});

test('20000 damaged tokens: none verifies, none throws', () => {
  const random = seeded(4);
  const bytes = packMacaroon(tokens[2][1]);
  for (let i = 0; i < 20_000; i++) {
    const damaged = mutate(bytes, random);
    if (damaged.equals(bytes)) continue;
    expect(check(`FlyV1 ${fm2(damaged)}`)).toMatchObject({ ok: false, status: 401 });
  }
});

test('huge and many: refused by size and count', () => {
  const reason = (authorization: string): string => {
    const decision = check(authorization);
    return decision.ok ? 'ok' : decision.reason;
  };
  expect(reason(`FlyV1 ${'fm2_'.repeat(1_000_000)}`)).toContain('16384 bytes');
  expect(reason(`FlyV1 ${','.repeat(16_000)}`)).toContain('32 tokens');
  expect(reason(`Bearer${' '.repeat(16_000)}`)).toContain('neither');
  // As many caveats as fit in a header.
  const many = attenuate(full, ...Array.from({ length: 2000 }, () => organization(1, 1)));
  expect(check(`FlyV1 ${formatToken(many)}`)).toEqual({ ok: true });
  // Arrays in arrays, as deep as a header is long.
  expect(reason(`FlyV1 ${fm2(Buffer.alloc(12_000, 0x91))}`)).toBe('no readable token');
  expect(reason(`FlyV1 ${fm2(Buffer.alloc(12_000, 0xdd))}`)).toBe('no readable token');
  expect(reason(`FlyV1 ${fm2(Buffer.from('94ddffffffff', 'hex'))}`)).toBe('no readable token');
});

test('what fails to be read refuses', () => {
  const broken = new Authorizer({
    keys: { find: () => key },
    revocations: {
      has: () => {
        throw new Error('run/tokens.key.revoked.json is damaged');
      },
    },
    organizations: [{ slug: 'personal', id: 1 }],
    location: 'fly-edge',
    clock: () => now * 1000,
  });
  expect(broken.check(`FlyV1 ${formatToken(full)}`, 'personal')).toEqual({
    ok: false,
    status: 401,
    reason: "tokens can't be checked: run/tokens.key.revoked.json is damaged",
  });
});
