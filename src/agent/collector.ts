/** Reads everything once for each scrape. What cannot be read is absent and counted; nothing else suffers from it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../config/reason.ts';
import type { Roots } from './cgroup.ts';
import { Faults, type Source } from './faults.ts';
import { family, Page } from './page.ts';
import { readCpuLimit } from './sources/cpu-limit.ts';
import { Devices } from './sources/devices.ts';
import { diskstats } from './sources/diskstats.ts';
import { readFileNr } from './sources/file-nr.ts';
import { type FilesystemOptions, Filesystems } from './sources/filesystems.ts';
import { readLoadavg } from './sources/loadavg.ts';
import { readMeminfo } from './sources/meminfo.ts';
import { netDev } from './sources/net.ts';
import { readStat } from './sources/stat.ts';

/** Each matches whole names. */
export interface Excluded {
  disk: RegExp;
  net: RegExp;
  mount: RegExp;
  fsType: RegExp;
}

export interface CollectorOptions extends Roots {
  /** Where the mount points are found. */
  root: string;
  excluded: Excluded;
  /** Tells the operator of the first fault of each source. */
  tell: (line: string) => void;
  /** For tests. */
  statfs?: FilesystemOptions['statfs'];
}

const up = family('up');

export class Collector {
  readonly #options: CollectorOptions;
  readonly #faults: Faults;
  readonly #disks: Devices;
  readonly #nets: Devices;
  readonly #filesystems: Filesystems;
  #collecting: Promise<string> | null = null;

  constructor(options: CollectorOptions) {
    const { proc, root, excluded, tell, statfs } = options;
    this.#options = options;
    this.#faults = new Faults(tell);
    this.#disks = new Devices(diskstats, (device) => excluded.disk.test(device));
    this.#nets = new Devices(netDev, (device) => excluded.net.test(device));
    this.#filesystems = new Filesystems({
      proc,
      root,
      excluded: ({ point, type }) => excluded.mount.test(point) || excluded.fsType.test(type),
      ...(statfs && { statfs }),
    });
  }

  /** The page. Scrapes at the same time get the same one. @param more adds what is not read from the kernel. */
  collect(more: (page: Page) => void = () => {}): Promise<string> {
    this.#collecting ??= this.#collect(more).finally(() => {
      this.#collecting = null;
    });
    return this.#collecting;
  }

  async #collect(more: (page: Page) => void): Promise<string> {
    const page = new Page();
    page.add(up, '1');
    this.#file('meminfo', 'meminfo', (text, fault) => readMeminfo(text, page, fault));
    this.#file('loadavg', 'loadavg', (text, fault) => readLoadavg(text, page, fault));
    this.#file('stat', 'stat', (text, fault) => readStat(text, page, fault));
    this.#file('diskstats', 'diskstats', (text, fault) => this.#disks.read(text, page, fault));
    this.#file('net', 'net/dev', (text, fault) => this.#nets.read(text, page, fault));
    this.#file('file-nr', 'sys/fs/file-nr', (text, fault) => readFileNr(text, page, fault));
    readCpuLimit(this.#options, page, (reason) => this.#faults.count('cgroup', reason));
    await this.#filesystems.read(page, this.#faults.count);
    more(page);
    this.#faults.write(page);
    return page.toString();
  }

  /** These files never make their reader wait: they are read as they are, at once. */
  #file(source: Source, path: string, parse: (text: string, fault: (reason: string) => void) => void): void {
    const fault = (reason: string) => this.#faults.count(source, reason);
    const file = join(this.#options.proc, path);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      fault(`${file}: ${reasonOf(error)}`);
      return;
    }
    parse(text, fault);
  }
}
