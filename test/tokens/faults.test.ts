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

test('a discharge tried for each of many caveats: what it takes to check is bounded', () => {
  const party = 'https://auth.example';
  const [dischargeKey, ticket] = [sha256('discharge'), sha256('ticket')];
  const own = { nonce: encode([kid, sha256('rnd').subarray(0, 16), false]), location: encode('fly-edge'), key };
  const caveats: [Buffer, Buffer][] = [];
  for (let i = 0; i < 30; i++) {
    const before = macs({ ...own, caveats }).at(-1)!;
    caveats.push(caveat(11, [party, seal(before, dischargeKey, Buffer.alloc(12, 1)), ticket]));
  }
  const discharge = (wrong: boolean): Buffer =>
    rawToken({
      nonce: encode([ticket, sha256('other').subarray(0, 16), true]),
      location: encode(party),
      key: wrong ? sha256('wrong') : dischargeKey,
      caveats: Array.from({ length: wrong ? 120 : 1 }, () => caveat(0, [1, 31])),
      proof: true,
    });
  const list = (wrong: number) =>
    [rawToken({ ...own, caveats }), ...Array(wrong).fill(discharge(true)), discharge(false)].map(fm2).join(',');
  const header = `FlyV1 ${list(8)}`;
  expect(header.length).toBeLessThan(16_384);
  expect(check(header)).toMatchObject({
    ok: false,
    status: 401,
    reason: expect.stringContaining('too many signatures'),
  });
  expect(check(`FlyV1 ${list(1)}`)).toEqual({ ok: true });
  // How few there may be is for the caller to say.
  expect(authorizer.check(`FlyV1 ${list(1)}`, 'personal', 256)).toMatchObject({ ok: false, status: 401 });
  expect(authorizer.check(`FlyV1 ${list(0)}`, 'personal', 256)).toEqual({ ok: true });
});

test('of a token with the id of no key, only the beginning is read', () => {
  const bytes = packMacaroon(mint(sha256('strange').subarray(0, 16), key, 'fly-edge'));
  const cut = bytes.subarray(0, bytes.length - 20);
  expect(check(`FlyV1 ${fm2(cut)}`)).toMatchObject({ status: 401, reason: expect.stringContaining('unknown key') });
  const ours = packMacaroon(full);
  const reason = 'no readable token';
  expect(check(`FlyV1 ${fm2(ours.subarray(0, ours.length - 20))}`)).toEqual({ ok: false, status: 401, reason });
});

test.each(['keys', 'revocations'])('%s that cannot be read are no fault of the token', (which) => {
  const unreadable = (): never => {
    throw new Error(`run/tokens.key: EACCES`);
  };
  const broken = new Authorizer({
    keys: { find: which === 'keys' ? unreadable : () => key },
    revocations: { has: which === 'keys' ? () => false : unreadable },
    organizations: [{ slug: 'personal', id: 1 }],
    location: 'fly-edge',
    clock: () => now * 1000,
  });
  const reason = "tokens can't be checked: run/tokens.key: EACCES";
  for (const list of [[full], [full, full]]) {
    const header = `FlyV1 ${list.map(formatToken).join(',')}`;
    expect(broken.check(header, 'personal')).toEqual({ ok: false, status: 503, reason });
    expect(broken.check(header, 'nobody')).toEqual({ ok: false, status: 503, reason });
  }
  // What is no token of ours is none whatever the files say.
  for (const header of [undefined, 'Basic x', 'FlyV1 fm2_AAAA', `FlyV1 ${formatToken({ ...full, location: 'x' })}`])
    expect(broken.check(header!, 'personal')).toMatchObject({ status: 401 });
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
    status: 503,
    reason: "tokens can't be checked: run/tokens.key.revoked.json is damaged",
  });
});
