/** Against real LVM, as far as this machine can have it. */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { lvsArguments, parseReport, runLvs } from '../../src/volumes/lvs.ts';
import { FakeLvs } from './fake-lvs.ts';
import { Disk, inactiveGroup, missingLvm, type ThinVolumes, thinVolumes } from './lvm.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const why = missingLvm();
if (why !== null) console.warn(`no group of LVM is tested: ${why}`);

describe.skipIf(why !== null)('a group on a loop device', () => {
  const group = `fly${process.pid}`;
  let disk: Disk;
  let lvs: FakeLvs;

  beforeAll(() => {
    disk = new Disk(64 * 2 ** 20);
    lvs = new FakeLvs(inactiveGroup(disk, group));
  });
  afterAll(() => {
    lvs?.remove();
    disk?.remove();
  });

  test('real lvs lists its volumes; of one that is not active it knows no use', async () => {
    const { report, ended } = lvs.run(() => runLvs(20_000));
    expect(await report).toEqual({
      volumes: new Map([
        [`${group}/lv1`, { size: 100 * 2 ** 20, used: null }],
        [`${group}/pool`, { size: 8 * 2 ** 20, used: null }],
        [`${group}/thick`, { size: 4 * 2 ** 20, used: null }],
      ]),
      fault: null,
    });
    await ended;
  });

  test('what real lvs complains about is told', async () => {
    lvs.write('exec /usr/sbin/lvs --driverloaded n --nosuchoption "$@"');
    const { report } = lvs.run(() => runLvs(20_000));
    expect((await report).fault).toEqual({ reason: 'failed', detail: expect.stringMatching(/^3: .*nosuchoption/) });
  });
});

const make = thinVolumes();
if (typeof make === 'string') console.warn(`no active thin volumes are tested: ${make}`);

describe.skipIf(typeof make === 'string')('thin volumes that are active', () => {
  let made: ThinVolumes;
  beforeAll(async () => {
    made = await (make as () => Promise<ThinVolumes>)();
  });

  test('their size and use are those that the kernel tells', () => {
    const { volumes, fault } = parseReport(made.lvs);
    expect(fault).toBe(null);
    // GROUP-NAME: START SECTORS thin MAPPED HIGHEST
    const told = [...made.dmsetup.matchAll(/^(\w+)-(\w+): 0 (\d+) thin (\d+) /gm)];
    expect(told.map(([, , name]) => name).sort()).toEqual(['lv1', 'lv2']);
    for (const [, group, name, sectors, mapped] of told) {
      const { size, used } = volumes.get(`${group}/${name}`)!;
      expect(size).toBe(Number(sectors) * 512);
      expect(used).toBeCloseTo((100 * Number(mapped)) / Number(sectors), 1);
      expect(used).toBeGreaterThan(0);
    }
    const group = told[0]![1]!;
    expect(volumes.get(`${group}/asleep`)).toEqual({ size: 52 * 2 ** 20, used: null });
    expect(volumes.get(`${group}/thick`)).toEqual({ size: 8 * 2 ** 20, used: null });
  });
});

test('thin-volumes.sh asks as the edge does', () => {
  const script = readFileSync(new URL('thin-volumes.sh', import.meta.url), 'utf8');
  expect(script).toContain(`lvs ${lvsArguments.join(' ')} `);
});
