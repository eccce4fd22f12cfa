import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { makeSelfSigned } from '../../src/base/self-signed.ts';
import { formatFault } from '../../src/config/fault.ts';
import { loadPlan } from '../../src/config/load.ts';
import { configuration, type Files, inFolder, load, unmark } from './folder.ts';

const https = '[http_service]\n';
const pair = makeSelfSigned(['demo.test', '*.Demo.test']);
const other = makeSelfSigned(['other.test']);
const row = '[[certificates]]\ncert = "a.crt"\nkey = "a.key"\n';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A certificate made at this time; it is valid for ten years. */
function madeAt(year: number, names: string[]): { cert: string; key: string } {
  const now = Date.now();
  vi.setSystemTime(new Date(Date.UTC(year, 0, 1)));
  const made = makeSelfSigned(names);
  vi.setSystemTime(now);
  return made;
}

const withPair = (files: Files, { cert, key }: { cert: string; key: string } = pair): Files => ({
  ...files,
  'a.crt': cert,
  'a.key': key,
});

test('host names come from the certificate, and cover those of the app', async () => {
  const app = 'hostnames = ["demo.test", "www.demo.test", "*.demo.test"]';
  const { plan, warnings } = await load(withPair(configuration({ app, fly: https, end: row })));
  expect(warnings).toEqual([]);
  expect(plan!.certificates).toEqual([{ ...pair, hostnames: ['demo.test', '*.demo.test'] }]);
});

test('a wildcard certificate covers one label only', async () => {
  const app = 'hostnames = ["demo.test", »"a.b.demo.test", "*.a.demo.test"]';
  const { files, marks } = unmark(configuration({ app, fly: https, end: row }));
  const { warnings } = await load(withPair(files));
  expect(warnings.map(formatFault)).toEqual([
    expect.stringContaining(`${marks[0]}: no certificate is for a.b.demo.test, *.a.demo.test, handshakes`),
  ]);
});

const faults: [name: string, files: Files, says: string][] = [
  ['no certificate file', { 'a.key': pair.key }, "a.crt can't be read (no such file)"],
  ['no key file', { 'a.crt': pair.cert }, "a.key can't be read (no such file)"],
  ['a key for a certificate', { 'a.crt': pair.key, 'a.key': pair.key }, 'a.crt is no certificate'],
  ['a certificate for a key', { 'a.crt': pair.cert, 'a.key': pair.cert }, 'a.key is no private key'],
  ['a key of another certificate', { 'a.crt': pair.cert, 'a.key': other.key }, "a.key doesn't fit a.crt"],
  ['no usable host name', withPair({}, makeSelfSigned(['not a name'])), 'a.crt has no host names'],
];

test.each(faults)('%s', async (_name, files, says) => {
  const wrong = says.startsWith('a.crt') ? row.replace('"a.crt"', '»"a.crt"') : row.replace('"a.key"', '»"a.key"');
  const { files: base, marks } = unmark(configuration({ end: wrong }));
  const { plan, faults } = await load({ ...base, ...files });
  expect(faults.map(formatFault)).toEqual([expect.stringContaining(`${marks[0]}: ${says}`)]);
  expect(plan).toBeNull();
});

const root = process.getuid?.() === 0;
if (root) console.warn('a key that may not be read is not tested: root may read every file');

test.skipIf(root)('a key that may not be read', async () => {
  await inFolder(withPair(configuration({ end: row })), async (folder) => {
    await chmod(join(folder, 'a.key'), 0);
    const { faults } = await loadPlan(join(folder, 'edge.toml'));
    expect(faults.map(({ message }) => message)).toEqual([expect.stringContaining('permission denied')]);
  });
});

test.each([
  ['expired', 2000, 'expired on 2009-12-29'],
  ['not valid yet', 2049, 'is not valid before 2048-12-31'],
])('a certificate that is %s is a warning', async (_name, year, says) => {
  const made = madeAt(year, ['demo.test']);
  const { files, marks } = unmark(configuration({ end: row.replace('"a.crt"', '»"a.crt"') }));
  const { plan, faults, warnings } = await load(withPair(files, made));
  expect(faults).toEqual([]);
  expect(warnings.map(formatFault)).toEqual([expect.stringContaining(`${marks[0]}: a.crt ${says}`)]);
  expect(plan!.certificates).toHaveLength(1);
});

test('two certificates for one name are a warning', async () => {
  const second = '[[certificates]]\ncert = »"b.crt"\nkey = "b.key"\n';
  const { files, marks } = unmark(configuration({ end: row + second }));
  const b = makeSelfSigned(['demo.test']);
  const { warnings } = await load({ ...withPair(files), 'b.crt': b.cert, 'b.key': b.key });
  expect(warnings.map(formatFault)).toEqual([expect.stringContaining(`${marks[0]}: b.crt is for demo.test`)]);
});
