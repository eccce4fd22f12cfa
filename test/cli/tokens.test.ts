import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Authorizer } from '../../src/tokens/authorizer.ts';
import { Keys } from '../../src/tokens/keys.ts';
import { Revocations } from '../../src/tokens/revocations.ts';
import { bin, run } from './helpers.ts';

const elixir: { with_tps: string } = JSON.parse(
  readFileSync(new URL('../tokens/vectors/macaroon-elixir.json', import.meta.url), 'utf8'),
);

/** An edge.toml with a gateway, and what its gateway would say. */
function edge(more = '') {
  const folder = mkdtempSync(join(tmpdir(), 'fly-edge-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'edge.toml');
  writeFileSync(
    file,
    `region = "iad"
host = "2bc3"
[[organizations]]
slug = "personal"
id = 1
[[organizations]]
slug = "acme"
id = 2
[gateway]
storage = "http://127.0.0.1:8428"
${more}`,
  );
  const keys = join(folder, 'run', 'tokens.key');
  const time = { now: Date.now() };
  const authorizer = new Authorizer({
    keys: new Keys(keys),
    revocations: new Revocations(keys),
    organizations: [
      { slug: 'personal', id: 1 },
      { slug: 'acme', id: 2 },
    ],
    location: 'fly-edge',
    clock: () => time.now,
  });
  const tokens = (...args: string[]) => run('tokens', ...args, '--config', file);
  const made = async (...args: string[]): Promise<string> => {
    const { code, stdout } = await tokens('create', ...args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^FlyV1 fm2_[\w+/]+=*\n$/);
    return stdout.trim();
  };
  const statuses = (token: string): (number | 'ok')[] =>
    ['personal', 'acme', 'nobody'].map((slug) => {
      const decision = authorizer.check(token, slug);
      return decision.ok ? 'ok' : decision.status;
    });
  return { file, keys, time, tokens, made, statuses };
}

async function inspect(input: string | null, ...args: string[]) {
  const child = spawn(process.execPath, [bin, 'tokens', 'inspect', ...args], { stdio: 'pipe' });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (data) => (text.stdout += data));
  child.stderr.setEncoding('utf8').on('data', (data) => (text.stderr += data));
  child.stdin.end(input ?? '');
  const [code] = await once(child, 'close');
  return { code, ...text };
}

test('what is made is taken where it should be', async () => {
  const { made, statuses } = edge();
  expect(statuses(await made('full'))).toEqual(['ok', 'ok', 403]);
  expect(statuses(await made('org', '-o', 'personal'))).toEqual(['ok', 403, 403]);
  expect(statuses(await made('readonly', '--org', 'acme'))).toEqual([403, 'ok', 403]);
});

test('--expiry 720h is thirty days', async () => {
  const { made, statuses, time } = edge();
  const token = await made('readonly', '-o', 'personal', '--expiry', '720h');
  time.now = Date.now();
  expect(statuses(token)).toEqual(['ok', 403, 403]);
  time.now += 719 * 3_600_000;
  expect(statuses(token)).toEqual(['ok', 403, 403]);
  time.now += 2 * 3_600_000;
  expect(statuses(token)).toEqual([401, 401, 401]);
});

test('list, without secrets; revoke by name and by nonce', async () => {
  const { made, statuses, tokens, keys } = edge();
  const [first, second] = [await made('org', '-o', 'personal', '--name', 'grafana'), await made('full')];
  const { stdout } = await tokens('list', '--json');
  const listed = JSON.parse(stdout);
  expect(listed).toMatchObject([
    { name: 'grafana', kind: 'org', organization: 'personal', expires: null, state: 'good' },
    { name: null, kind: 'full', organization: null, expires: null, state: 'good' },
  ]);
  const tails = [first, second].map((token) => Buffer.from(token.slice(10), 'base64').subarray(-32));
  const registry = readFileSync(`${keys}.tokens.json`, 'latin1');
  for (const tail of tails) {
    for (const spelling of ['base64', 'hex', 'latin1'] as const) {
      expect(registry.includes(tail.toString(spelling))).toBe(false);
      expect(stdout.includes(tail.toString(spelling))).toBe(false);
    }
  }
  expect(statSync(`${keys}.tokens.json`).mode & 0o777).toBe(0o600);
  expect(await tokens('revoke', 'grafana')).toMatchObject({ code: 0, stdout: `${listed[0].nonce} is revoked\n` });
  expect(statuses(first)).toEqual([401, 401, 401]);
  expect(statuses(second)).toEqual(['ok', 'ok', 403]);
  expect(await tokens('revoke', listed[1].nonce)).toMatchObject({ code: 0 });
  expect(statuses(second)).toEqual([401, 401, 401]);
  const table = (await tokens('list')).stdout.split('\n');
  expect(table[0]).toMatch(/^NONCE +NAME +KIND +ORGANIZATION +CREATED +EXPIRES +STATE$/);
  expect(table[1]).toMatch(new RegExp(`^${listed[0].nonce} +grafana +org +personal +\\S+Z +never +revoked$`));
  expect(table[2]).toMatch(/ - +full +all .* revoked$/);
  // The name is free again.
  expect(statuses(await made('org', '-o', 'personal', '--name', 'grafana'))).toEqual(['ok', 403, 403]);
  expect(await tokens('create', 'full', '--name', 'grafana')).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('there is a token with the name grafana already'),
  });
});

test('rotate-key: older tokens stay good, with --drop-old they are void', async () => {
  const { made, statuses, tokens } = edge();
  const old = await made('full');
  expect(await tokens('rotate-key')).toMatchObject({ code: 0, stdout: 'a new key signs from now on\n' });
  const young = await made('full');
  expect([statuses(old)[0], statuses(young)[0]]).toEqual(['ok', 'ok']);
  expect(await tokens('rotate-key', '--drop-old')).toMatchObject({ code: 0 });
  expect([statuses(old)[0], statuses(young)[0]]).toEqual([401, 401]);
});

test('gateway.location stands in the token', async () => {
  const { made, statuses } = edge('location = "https://metrics.example.com"');
  const token = await made('full');
  expect(JSON.parse((await inspect(token)).stdout)[0].location).toBe('https://metrics.example.com');
  expect(statuses(token)).toEqual([401, 401, 401]);
});

describe('inspect', () => {
  test('our own, on standard input or as an argument, with or without a scheme; never the tail', async () => {
    const { made } = edge();
    const token = await made('readonly', '-o', 'acme', '--expiry', '1h');
    const { code, stdout, stderr } = await inspect(`${token}\n`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual([
      {
        location: 'fly-edge',
        kid: expect.stringMatching(/^[\w+/]{22}==$/),
        nonce: expect.stringMatching(/^[0-9a-f]{32}$/),
        proof: false,
        caveats: [
          { type: 'Organization', body: { id: 2, mask: 'rwcdC' } },
          { type: 'ValidityWindow', body: { not_before: expect.any(Number), not_after: expect.any(Number) } },
          { type: 'Organization', body: { id: 2, mask: 'r' } },
        ],
      },
    ]);
    const { not_before, not_after } = JSON.parse(stdout)[0].caveats[1].body;
    // From a minute ago: clocks differ.
    expect(not_after - not_before).toBe(3660);
    expect(Math.abs(not_before + 60 - Date.now() / 1000)).toBeLessThan(60);
    const bare = token.slice('FlyV1 '.length);
    expect(stdout).not.toContain(Buffer.from(bare.slice(4), 'base64').subarray(-32).toString('base64'));
    for (const spelling of [bare, `Bearer ${bare}`, token, `Bearer ${token}`, ` \t${token}\r\n\n`]) {
      expect((await inspect(null, spelling)).stdout).toBe(stdout);
    }
  });

  test('others, with their discharges', async () => {
    const { code, stdout } = await inspect(elixir.with_tps);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { caveats: [{ type: '3P', body: { location: 'discharged' } }, { type: '3P' }] },
      { location: 'discharged', proof: true, caveats: [] },
    ]);
  });

  test('what can not be read', async () => {
    const { stdout, stderr, code } = await inspect('FlyV1 fm2_AAAA');
    expect([stdout, stderr, code]).toEqual(['', 'fly-edge: no readable token: write FlyV1 fm2_…\n', 2]);
    const some = await inspect(`${elixir.with_tps},fm2_AAAA`);
    expect(JSON.parse(some.stdout)).toHaveLength(2);
    expect([some.stderr, some.code]).toEqual(["fly-edge: 1 of the tokens can't be read\n", 2]);
  });
});

describe('wrong use is told in one line', () => {
  test.for([
    [['create', 'root'], 2, 'Allowed choices are full, org, readonly'],
    [['create', 'org'], 2, 'needs --org SLUG'],
    [['create', 'full', '-o', 'acme'], 2, 'a full token has no --org'],
    [['create', 'org', '-o', 'acmee'], 2, 'did you mean "acme"?'],
    [['create', 'full', '--expiry', '30'], 2, 'Write a duration such as 720h.'],
    [['create', 'full', '--expiry', '10ms'], 2, 'Write a duration such as 720h.'],
    [['create', 'full', '--name', 'a b'], 2, 'letters, digits'],
    [['create', 'full', '--name', '0'.repeat(32)], 2, 'no nonce'],
    [['revoke', 'grafana'], 1, 'no token has the name or nonce grafana'],
    [['frobnicate'], 2, "unknown command 'frobnicate'"],
  ] as const)('%s', async ([args, code, message]) => {
    const ended = await edge().tokens(...args);
    const lines = ended.stderr.split('\n').filter((line) => line !== '');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^fly-edge: /);
    expect(lines[0]).toContain(message);
    expect([ended.stdout, ended.code]).toEqual(['', code]);
  });

  test('no [gateway], no file, keys that others can read', async () => {
    const { file, keys, tokens } = edge();
    chmodSync(keys, 0o644);
    expect(await tokens('create', 'full')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('chmod 600'),
    });
    writeFileSync(file, 'region = "iad"\nhost = "2bc3"\n');
    expect(await tokens('list')).toMatchObject({ code: 2, stderr: expect.stringContaining('has no [gateway]') });
    rmSync(file);
    expect(await tokens('list')).toMatchObject({ code: 2, stderr: expect.stringContaining('no such file') });
  });
});
