/** The agent in real control groups of version 2, which not every machine's kernel has: within a user-mode Linux. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { countOf } from '../../src/agent/cgroup.ts';
import { bin } from '../cli/helpers.ts';
import { parseExposition, sum } from '../helpers/exposition.ts';
import { inUserModeLinux, missingUserModeLinux } from '../helpers/user-mode-linux.ts';
import { errors } from './helpers.ts';

const why = missingUserModeLinux();
if (why !== null) console.warn(`no real limits of cgroup v2: ${why}`);

describe.skipIf(why !== null)('a real agent and its app in a group with limits, within another', () => {
  let folder: string;
  const found = (name: string) => readFileSync(join(folder, name), 'utf8');
  const page = (name: string) => parseExposition(found(`${name}.page`));

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fly-edge-cgroup-'));
    const { NODE_COMPILE_CACHE } = process.env;
    const environment = { NODE: process.execPath, PROGRAM: bin, ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }) };
    const script = fileURLToPath(new URL('cgroup-v2.sh', import.meta.url));
    await inUserModeLinux(script, folder, { memory: 512, environment });
    expect(found('membership')).toBe('0::/outer/inner\n');
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['around', 'outer', '30000 100000\n', 0.3],
    ['own', 'inner', '40000 100000\n', 0.4],
  ])('the group %s is the tightest: its limit, and how long it was held back', (_, group, limit, cpus) => {
    expect(found(`${group}.max`)).toBe(limit);
    expect(sum(page(group), 'fly_instance_cpu_baseline')).toBe(cpus);
    const microseconds = (when: string) => Number(countOf(found(`${group}.${when}`), 'throttled_usec'));
    const throttle = sum(page(group), 'fly_instance_cpu_throttle');
    expect(throttle).toBeGreaterThanOrEqual(microseconds('before') / 10_000);
    // The scrape itself may be held back.
    expect(throttle).toBeLessThanOrEqual(microseconds('after') / 10_000);
    expect(errors(page(group))).toEqual({});
  });

  test('the app takes more memory than the group around may have: 137, out of memory', () => {
    expect(sum(page('end'), 'fly_instance_exit_code')).toBe(137);
    expect(sum(page('end'), 'fly_instance_exit_oom')).toBe(1);
    expect(countOf(found('memory.events'), 'oom_kill')).toBe('1');
    expect(found('agent.code')).toBe('137\n');
  });
});
