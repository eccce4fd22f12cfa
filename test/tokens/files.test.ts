import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createFile, exclusively } from '../../src/tokens/files.ts';
import { Keys } from '../../src/tokens/keys.ts';
import { type Entry, Registry } from '../../src/tokens/registry.ts';
import { Revocations } from '../../src/tokens/revocations.ts';

/** The path of a keys file that does not exist yet, in a folder that does not either. */
function keysFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'run', 'tokens.key');
}

const modeOf = (file: string): number => statSync(file).mode & 0o777;

test('keys are made when missing, for the owner only, and stay', () => {
  const file = keysFile();
  const { id, key } = new Keys(file).newest;
  expect([id.length, key.length, modeOf(file), modeOf(dirname(file))]).toEqual([16, 32, 0o600, 0o700]);
  expect(new Keys(file).newest).toEqual({ id, key });
  expect(new Keys(keysFile()).newest.key).not.toEqual(key);
  expect(readdirSync(dirname(file))).toEqual(['tokens.key']);
});

test('a file that appeared meanwhile is not written over', () => {
  const file = keysFile();
  createFile(file, 'first');
  createFile(file, 'second');
  expect(readFileSync(file, 'utf8')).toBe('first');
});

test('keys that others can read are refused', () => {
  const file = keysFile();
  const keys = new Keys(file);
  chmodSync(file, 0o640);
  expect(() => keys.newest).toThrow(`chmod 600 ${file}`);
  expect(() => keys.find(Buffer.alloc(16))).toThrow('0640');
  chmodSync(file, 0o600);
  expect(keys.find(Buffer.alloc(16))).toBeUndefined();
});

test.each([
  ['', 'damaged'],
  ['{}', 'damaged'],
  ['{"keys":[]}', 'damaged'],
  ['{"keys":[{"id":"AAAA","key":"AAAA","created":"2026-01-01T00:00:00Z"}]}', 'damaged'],
])('damaged keys are refused: %s', (content, message) => {
  const file = keysFile();
  const keys = new Keys(file);
  writeFileSync(file, content);
  expect(() => keys.newest).toThrow(message);
});

test('keys that vanished are refused, and not made anew', () => {
  const file = keysFile();
  const keys = new Keys(file);
  expect(keys.newest).toBeDefined();
  rmSync(file);
  expect(() => keys.newest).toThrow('missing');
});

test('rotation: the new key signs, the old one is still found until it is dropped; others see it at once', async () => {
  const file = keysFile();
  const [here, elsewhere] = [new Keys(file), new Keys(file)];
  const old = elsewhere.newest;
  await here.rotate();
  const { newest } = elsewhere;
  expect(newest.id).not.toEqual(old.id);
  expect(elsewhere.find(old.id)).toEqual(old.key);
  expect(elsewhere.find(newest.id)).toEqual(newest.key);
  expect(modeOf(file)).toBe(0o600);
  await here.rotate({ dropOld: true });
  expect(elsewhere.find(old.id)).toBeUndefined();
  expect(elsewhere.find(newest.id)).toBeUndefined();
  expect(elsewhere.find(here.newest.id)).toBeDefined();
});

test('ten rotations at once: no key is lost', async () => {
  const file = keysFile();
  const keys = new Keys(file);
  await Promise.all(Array.from({ length: 10 }, () => new Keys(file).rotate()));
  expect(JSON.parse(readFileSync(file, 'utf8')).keys).toHaveLength(11);
  expect(keys.newest).toBeDefined();
});

test('revocations: seen at once by others, kept, each once', async () => {
  const file = keysFile();
  const [here, elsewhere] = [new Revocations(file), new Revocations(file)];
  const nonces = Array.from({ length: 10 }, (_, i) => String(i).repeat(32));
  expect(elsewhere.has(nonces[0])).toBe(false);
  await Promise.all([...nonces, ...nonces].map((nonce) => here.add(nonce)));
  for (const nonce of nonces) expect(elsewhere.has(nonce)).toBe(true);
  expect(elsewhere.has('f'.repeat(32))).toBe(false);
  expect(JSON.parse(readFileSync(`${file}.revoked.json`, 'utf8')).revoked).toHaveLength(10);
  expect(modeOf(`${file}.revoked.json`)).toBe(0o600);
});

test('damaged revocations are an error, not an empty list', async () => {
  const file = keysFile();
  const revocations = new Revocations(file);
  await revocations.add('0'.repeat(32));
  writeFileSync(`${file}.revoked.json`, '{"revoked":');
  expect(() => revocations.has('0'.repeat(32))).toThrow('damaged');
  await expect(revocations.add('1'.repeat(32))).rejects.toThrow('damaged');
});

const entry = (name: string | null): Entry => ({
  nonce: '0'.repeat(32),
  name,
  kind: 'org',
  organization: 'personal',
  created: '2026-01-01T00:00:00.000Z',
  expires: null,
});

test('registry: a name for one token, until that is void', async () => {
  const registry = new Registry(keysFile());
  expect(registry.list()).toEqual([]);
  await registry.add(entry('grafana'), () => false);
  await registry.add(entry(null), () => false);
  await registry.add(entry(null), () => false);
  await expect(registry.add(entry('grafana'), () => false)).rejects.toThrow('already');
  await registry.add(entry('grafana'), () => true);
  expect(registry.list().map(({ name }) => name)).toEqual(['grafana', null, null, 'grafana']);
});

test('a lock that stays is told, and how to go on', async () => {
  const file = keysFile();
  createFile(`${file}.lock`, '');
  let time = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => (time += 2000));
  onTestFinished(() => clock.mockRestore());
  await expect(exclusively(file, () => 1)).rejects.toThrow(`${file}.lock`);
  rmSync(`${file}.lock`);
  expect(await exclusively(file, () => 2)).toBe(2);
  expect(readdirSync(dirname(file))).toEqual([]);
});
