/** Real LVM on a file: with the kernel's device-mapper, within a user-mode Linux, or without any. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inUserModeLinux, missingUserModeLinux, modules } from '../helpers/user-mode-linux.ts';

const tests = fileURLToPath(new URL('.', import.meta.url));
const env = { ...process.env, LC_ALL: 'C', LVM_SUPPRESS_FD_WARNINGS: '1', PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

const run = (program: string, args: string[], more = {}): string =>
  execFileSync(program, args, { env: { ...env, ...more }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

const works = (program: string, ...args: string[]): boolean => {
  try {
    run(program, args);
    return true;
  } catch {
    return false;
  }
};

/** A file of `size` bytes in a folder of its own. `attach` makes it a block device, until `remove`. */
export class Disk {
  readonly folder = mkdtempSync(join(tmpdir(), 'fly-edge-lvm-'));
  readonly file = join(this.folder, 'disk');
  #device: string | null = null;

  constructor(size: number) {
    writeFileSync(this.file, '');
    truncateSync(this.file, size);
  }

  attach(): string {
    this.#device ??= run('losetup', ['--find', '--show', this.file]).trim();
    return this.#device;
  }

  remove(): void {
    if (this.#device !== null) run('losetup', ['--detach', this.#device]);
    rmSync(this.folder, { recursive: true });
  }
}

/** Why there can be no group here, not even one that is never active; null when there can. */
export function missingLvm(): string | null {
  if (!works('lvs', '--version')) return 'lvm2 is not installed';
  if (process.getuid?.() !== 0) return 'only root can make a loop device';
  const disk = new Disk(4096);
  try {
    disk.attach();
    return null;
  } catch {
    return 'no loop device can be made';
  } finally {
    disk.remove();
  }
}

/**
 * A group whose volumes are not active: `GROUP/lv1` (thin, 100 MiB), `GROUP/pool`, `GROUP/thick` (4 MiB).
 * @returns a script that is the real `lvs`, told to look at that disk alone, and not for device-mapper.
 */
export function inactiveGroup(disk: Disk, group: string): string {
  const device = disk.attach();
  const meta = join(disk.folder, 'meta');
  const text = readFileSync(join(tests, 'inactive.meta'), 'utf8');
  writeFileSync(meta, text.replace('GROUP', group).replace('DEVICE', device));
  writeFileSync(
    join(disk.folder, 'lvm.conf'),
    `devices {
  use_devicesfile = 0 obtain_device_list_from_udev = 0 external_device_info_source = "none"
  filter = ["a|^${device}$|", "r|.*|"]
}
global { use_lvmpolld = 0 locking_dir = "${disk.folder}/lock" }
backup { backup = 0 archive = 0 }
`,
  );
  const system = { LVM_SYSTEM_DIR: disk.folder };
  const uuid = /pv0 \{\s+id = "(\S+)"/.exec(text)![1]!;
  const quiet = ['--driverloaded', 'n', '-y'];
  run('pvcreate', [...quiet, '-ff', '--uuid', uuid, '--restorefile', meta, device], system);
  run('vgcfgrestore', [...quiet, '--force', '-f', meta, group], system);
  return `export LVM_SYSTEM_DIR=${disk.folder}\nexec /usr/sbin/lvs --driverloaded n "$@"`;
}

/** What `thin-volumes.sh` found: of LVM, and of the kernel. */
export interface ThinVolumes {
  lvs: string;
  dmsetup: string;
}

/** How active thin volumes can be made here, or why they cannot. */
export function thinVolumes(): (() => Promise<ThinVolumes>) | string {
  if (works('dmsetup', 'version') && works('modprobe', 'dm-thin-pool') && missingLvm() === null)
    return () => made(here);
  // Its kernel has device-mapper in modules.
  const why = missingUserModeLinux() ?? (works('insmod', '--version') ? null : 'there is no insmod (package kmod)');
  return why === null ? () => made(elsewhere) : `this kernel has no device-mapper, and ${why}`;
}

async function made(make: (disk: Disk) => void | Promise<void>): Promise<ThinVolumes> {
  const disk = new Disk(256 * 2 ** 20);
  try {
    await make(disk);
    const found = (name: string) => readFileSync(join(disk.folder, name), 'utf8');
    return { lvs: found('lvs.json'), dmsetup: found('dmsetup.txt') };
  } finally {
    disk.remove();
  }
}

function here(disk: Disk): void {
  run('sh', [join(tests, 'thin-volumes.sh'), disk.attach(), `fly${process.pid}`, disk.folder]);
}

function elsewhere({ file, folder }: Disk): Promise<void> {
  const script = join(tests, 'in-user-mode-linux.sh');
  return inUserModeLinux(script, folder, { memory: 256, disk: file, environment: { MODULES: modules } });
}
