import { expect, test } from 'vitest';
import { decimal, equalFold, lower, members, trimOws } from '../../src/base/ascii.ts';

test('only A to Z have a lower case: no byte of latin1, no sign that Unicode folds to a letter', () => {
  for (let code = 0; code < 0x250; code++) {
    const char = String.fromCharCode(code);
    const expected = code >= 0x41 && code <= 0x5a ? String.fromCharCode(code + 32) : char;
    expect(lower(`A${char}b`)).toBe(`a${expected}b`);
  }
  for (const char of ['\u212a', '\u017f', '\u0130', '\u0131', '\u2126']) expect(lower(`X${char}`)).toBe(`x${char}`);
  expect(equalFold('ChUnKeD', 'chunked')).toBe(true);
  expect(equalFold('chun\u212aed', 'chunked')).toBe(false);
});

test('only SP and HTAB are blanks', () => {
  expect(trimOws(' \t a b\t ')).toBe('a b');
  expect(trimOws(' \t')).toBe('');
  for (const char of ['\xa0', '\x0b', '\x0c', '\r', '\n', '\0', '\ufeff', '\u2003', '\u2028', '\x85']) {
    expect(trimOws(`${char}a${char}`)).toBe(`${char}a${char}`);
  }
  expect(members('a ,\tb,, \xa0c')).toEqual(['a', 'b', '', '\xa0c']);
});

test('only digits make a number', () => {
  expect(decimal('0')).toBe(0);
  expect(decimal('00053')).toBe(53);
  expect(decimal('65535', 65535)).toBe(65535);
  expect(decimal('65536', 65535)).toBe(-1);
  expect(decimal('9007199254740991')).toBe(9007199254740991);
  expect(decimal('9007199254740992')).toBe(-1);
  for (const text of ['', ' 5', '5 ', '+5', '-5', '0x5', '5e1', '5.0', '1_000', '٥', '５', 'Infinity']) {
    expect(decimal(text)).toBe(-1);
  }
});
