import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { organization, validityWindow } from '../../src/tokens/caveats.ts';
import { formatToken } from '../../src/tokens/header.ts';
import { attenuate, mint, packMacaroon } from '../../src/tokens/macaroon.ts';
import { decode, encode } from '../../src/tokens/msgpack.ts';

const page = readFileSync('docs/tokens.md', 'utf8');
const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
const full = mint(Buffer.alloc(16, 0xaa), key, 'fly-edge', Buffer.alloc(16, 0xbb));
const token = attenuate(full, organization(1, 31));

test('the worked example of docs/tokens.md is what the code makes', () => {
  const [listing] = page.split('### A worked example')[1].match(/(?<=```\n)94 [^`]*/)!;
  // Of each line the hex before its explanation.
  const hex = listing.split('\n').map((line) => line.match(/^ *((?:[0-9a-f]{2})+(?: |$))*/)![0].replaceAll(' ', ''));
  expect(hex.join('')).toBe(packMacaroon(token).toString('hex'));
  expect(page).toContain(Buffer.from(full.tail).toString('hex'));
  expect(page).toContain(`\n${formatToken(token)}\n`);
});

test('the lines that add an expiry do', () => {
  const [code] = page.match(/(?<=```js\n)[^`]*addExpiry.*?(?=```\n)/s)!;
  const body = code.replace(/^import .*\n/gm, '').replace('export ', '');
  // The library is not among our dependencies: ours has the same two functions.
  const addExpiry = new Function('createHmac', 'decode', 'encode', `${body}return addExpiry;`)(
    createHmac,
    decode,
    encode,
  );
  const smaller = `FlyV1 ${formatToken(attenuate(token, validityWindow(0, 1_900_000_000)))}`;
  expect(addExpiry(`FlyV1 ${formatToken(token)}`, 1_900_000_000)).toBe(smaller);
});
