import { describe, expect, test } from 'vitest';
import { PgPrelude, type PgStep } from '../../../src/proxy/listener/pg.ts';
import { mutate } from '../../helpers/mutate.ts';
import { seeded } from '../../helpers/random.ts';

const ssl = Buffer.from('0000000804d2162f', 'hex');
const gss = Buffer.from('0000000804d21630', 'hex');
const cancel = Buffer.from('0000001004d2162e0000000100000002', 'hex');
const startup = Buffer.from('\0\0\0\x11\0\x03\0\0user\0me\0\0', 'latin1');

const push = (prelude: PgPrelude, input: Uint8Array): PgStep => prelude.push(input, input.length);

/** SQLSTATE and message of an ErrorResponse, its form checked. */
function errorResponse(step: PgStep): Record<string, string> {
  if (step.state !== 'refused') throw new Error(`not refused: ${step.state}`);
  expect(step.bytes.toString('latin1', 0, 1)).toBe('E');
  expect(step.bytes.readInt32BE(1)).toBe(step.bytes.length - 1);
  expect(step.bytes.subarray(-2)).toEqual(Buffer.from([0, 0]));
  const fields = step.bytes.toString('utf8', 5, step.bytes.length - 2).split('\0');
  return Object.fromEntries(fields.map((field) => [field[0], field.slice(1)]));
}

describe('PgPrelude', () => {
  test('answers SSLRequest with S; then TLS begins', () => {
    const prelude = new PgPrelude();
    for (let end = 0; end < 8; end++) expect(prelude.push(ssl, end)).toEqual({ state: 'incomplete' });
    expect(push(prelude, ssl)).toEqual({ state: 'answer', bytes: Buffer.from('S'), consumed: 8 });
    const tls = { state: 'tls', consumed: 0, direct: false };
    expect(push(prelude, Buffer.alloc(0))).toEqual(tls);
    expect(push(prelude, Buffer.from([22, 3, 1]))).toEqual(tls);
  });

  test('answers GSSENCRequest with N and waits for the next request', () => {
    const prelude = new PgPrelude();
    expect(push(prelude, gss)).toEqual({ state: 'answer', bytes: Buffer.from('N'), consumed: 8 });
    expect(push(prelude, Buffer.alloc(0))).toEqual({ state: 'incomplete' });
    expect(push(prelude, ssl)).toMatchObject({ state: 'answer', bytes: Buffer.from('S') });
    expect(push(prelude, Buffer.alloc(0))).toMatchObject({ state: 'tls', direct: false });
  });

  test('takes a second GSSENCRequest, or TLS without request after the first, for a fault', () => {
    for (const next of [gss, Buffer.from([22, 3, 1])]) {
      const prelude = new PgPrelude();
      push(prelude, gss);
      expect(errorResponse(push(prelude, next))).toMatchObject({ C: '08P01' });
    }
  });

  test('lets TLS begin at once (sslnegotiation=direct)', () => {
    expect(push(new PgPrelude(), Buffer.from([22]))).toEqual({ state: 'tls', consumed: 0, direct: true });
  });

  test('refuses a StartupMessage without TLS, in words', () => {
    const fields = errorResponse(push(new PgPrelude(), startup));
    expect(fields).toEqual({ S: 'FATAL', V: 'FATAL', C: '28000', M: 'TLS is required: connect with sslmode=require' });
    expect(errorResponse(push(new PgPrelude(), startup.subarray(0, 8)))).toEqual(fields);
    const prelude = new PgPrelude();
    push(prelude, gss);
    expect(errorResponse(push(prelude, startup))).toEqual(fields);
  });

  test('refuses a CancelRequest without a word, as the protocol says', () => {
    const step = push(new PgPrelude(), cancel);
    expect(step).toEqual({ state: 'refused', bytes: Buffer.alloc(0), reason: 'cancel request without TLS' });
  });

  test.each([
    ['a ClientHello', Buffer.from([22, 3, 1])],
    ['a startup packet', startup],
    ['one byte', Buffer.from([0])],
  ])('CVE-2021-23214: refuses %s that came with a request, before it was answered', (_, stuffed) => {
    for (const request of [ssl, gss]) {
      const step = push(new PgPrelude(), Buffer.concat([request, stuffed]));
      expect(errorResponse(step)).toMatchObject({ C: '08P01', M: /unencrypted data/ });
    }
  });

  test.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['one byte of HTTP', Buffer.from('G')],
    ['a length of 7', Buffer.from('0000000704d2162f', 'hex')],
    ['a length above 10,000', Buffer.from('0000271500030000', 'hex')],
    ['an SSLRequest of 9', Buffer.from('0000000904d2162f', 'hex')],
    ['another protocol', Buffer.from('0000000800090000', 'hex')],
    ['another request', Buffer.from('0000000804d21631', 'hex')],
  ])('refuses %s', (_, input) => {
    expect(errorResponse(push(new PgPrelude(), input))).toMatchObject({ C: '08P01' });
  });

  test('never throws on faulty input, and finds the same at each split', () => {
    const random = seeded(4);
    const seen = new Set<string>();
    for (let round = 0; round < 20_000; round++) {
      const input = mutate([ssl, gss, cancel, startup][round % 4], random);
      const result = push(new PgPrelude(), input);
      seen.add(result.state);
      const cut = Math.floor(random() * input.length);
      const early = new PgPrelude().push(input, cut);
      // A request that is answered before more bytes came is what the client should wait for: no fault yet.
      if (early.state !== 'incomplete' && early.state !== 'answer') expect(early).toEqual(result);
    }
    expect([...seen].sort()).toEqual(['answer', 'incomplete', 'refused', 'tls']);
  });
});
