import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseAuthorization } from '../../src/tokens/header.ts';
import { attenuate, caveatsOf, chain, type Macaroon, packMacaroon } from '../../src/tokens/macaroon.ts';
import { decode, encode } from '../../src/tokens/msgpack.ts';
import { verify } from '../../src/tokens/verify.ts';
import { open } from './raw.ts';

/** The official vectors of superfly/macaroon-elixir. */
interface Vectors {
  location: string;
  key: string;
  tp_key: string;
  kid: string;
  macaroons: Record<string, string>;
  attenuation: Record<string, Record<string, string>>;
  caveats: Record<string, string>;
  with_tps: string;
}
const vectors: Vectors = JSON.parse(readFileSync(new URL('vectors/macaroon-elixir.json', import.meta.url), 'utf8'));
const bytes = (base64: string): Buffer => Buffer.from(base64, 'base64');
const key = bytes(vectors.key);

function tokensOf(header: string): Macaroon[] {
  const parsed = parseAuthorization(header);
  if (!parsed.ok) throw new Error(parsed.reason);
  return parsed.tokens;
}

/** Discharges with keys that are not in the file. */
const foreign = ['FlyioUserID', 'GitHubUserID', 'GoogleUserID'];

describe('macaroons', () => {
  const entries = Object.entries(vectors.macaroons);
  const verifiable = entries.filter(([name]) => !foreign.includes(name));

  test('18 of the 21 can be verified', () => {
    expect([entries.length, verifiable.length]).toEqual([21, 18]);
  });

  test.each(verifiable)('%s verifies, with its key only', (name, header) => {
    const [token, ...more] = tokensOf(header);
    expect(more).toEqual([]);
    expect(token.location).toBe(vectors.location);
    expect(Buffer.from(token.nonce.kid)).toEqual(bytes(vectors.kid));
    expect(verify(token, key, [])).toEqual({ ok: true, caveats: token.caveats });
    expect(encode(token.caveats.flatMap(({ type, body }) => [type, body]))).toEqual(bytes(vectors.caveats[name]));
    expect(verify(token, bytes(vectors.tp_key), [])).toMatchObject({ ok: false });
  });

  test.each(entries)('%s is packed as it was', (_name, header) => {
    expect(`FlyV1 fm2_${packMacaroon(tokensOf(header)[0]).toString('base64')}`).toBe(header);
  });

  test.each(foreign)('%s does not verify with a key that is not its own', (name) => {
    const [token] = tokensOf(vectors.macaroons[name]);
    expect(token.nonce.proof).toBe(true);
    expect(verify(token, key, [])).toEqual({ ok: false, reason: 'wrong signature' });
  });
});

const [[base, attenuated]] = Object.entries(vectors.attenuation);

test('there are 19 attenuations', () => {
  expect(Object.keys(attenuated)).toHaveLength(19);
});

test.each(Object.entries(attenuated))('attenuation with %s', (caveats, header) => {
  const added = caveatsOf(decode(bytes(caveats)))!;
  const [other, token] = tokensOf(base);
  const list = [other, attenuate(token, ...added), other].map((each) => packMacaroon(each).toString('base64'));
  expect(`FlyV1 ${list.map((each) => `fm2_${each}`).join(',')}`).toBe(header);
});

test.each(Object.entries(vectors.caveats))('caveat %s is canonical', (_name, caveat) => {
  expect(encode(decode(bytes(caveat))!)).toEqual(bytes(caveat));
});

describe('third-party caveats', () => {
  const [token, discharge] = tokensOf(vectors.with_tps);

  test('the discharge verifies with the key that is sealed for the third party', () => {
    const ticket = decode(open(bytes(vectors.tp_key), discharge.nonce.kid));
    const dischargeKey = (ticket as Uint8Array[])[0];
    expect(verify(discharge, dischargeKey, [])).toEqual({ ok: true, caveats: [] });
  });

  test('both caveats need a discharge, and only one has it', () => {
    expect(verify(token, key, [discharge])).toEqual({ ok: false, reason: 'no discharge for its third-party caveat' });
  });

  test('the one that has it holds: an undischarged one taken away, by whoever has the key', () => {
    const { nonce, caveats, location } = token;
    const start = attenuate(
      { nonce, location, caveats: [], tail: chain({ ...token, caveats: [] }, key).tail },
      caveats[0],
    );
    expect(verify(start, key, [discharge])).toEqual({ ok: true, caveats: [] });
    expect(verify(start, key, [])).toMatchObject({ ok: false });
    const elsewhere = { ...discharge, location: 'undischarged' };
    expect(verify(start, key, [elsewhere])).toMatchObject({ ok: false });
  });
});
