/** Where the agent's control group is: that of the app too, when the agent runs it. */

import { existsSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';

export interface Roots {
  /** Where procfs is. */
  proc: string;
  /** Where sysfs is. */
  sys: string;
}

/**
 * Folders of the agent's own group and of those around it, the own one first; empty when there is no cgroup v2. On a machine
 * with both versions v2 may have no controllers.
 * @throws when /proc/self/cgroup is there and cannot be read.
 */
export function unifiedGroups({ proc, sys }: Roots): string[] {
  const mounts = [join(sys, 'fs/cgroup'), join(sys, 'fs/cgroup/unified')];
  const mount = mounts.find((folder) => existsSync(join(folder, 'cgroup.controllers')));
  if (mount === undefined) return [];
  const path = membership(proc, (controllers) => controllers === '');
  return path === undefined ? [] : groups(mount, path);
}

/** The same in the hierarchy of a controller of cgroup v1. */
export function legacyGroups({ proc, sys }: Roots, controller: string): string[] {
  const mount = join(sys, 'fs/cgroup', controller);
  const path = membership(proc, (controllers) => controllers.split(',').includes(controller));
  return path === undefined || !existsSync(mount) ? [] : groups(mount, path);
}

/** A line is `0::/system.slice/app.service`, or `4:memory:/docker/1f…` in v1. */
function membership(proc: string, wanted: (controllers: string) => boolean): string | undefined {
  for (const line of textOf(join(proc, 'self/cgroup'))?.split('\n') ?? []) {
    const [, controllers, path] = /^\d+:([^:]*):(\/[^\n]*)$/.exec(line) ?? [];
    if (path !== undefined && wanted(controllers)) return path;
  }
  return undefined;
}

/** In a container the path may be the host's, of which only the last part is mounted, as root: then that is the group. */
function groups(mount: string, path: string): string[] {
  const parts = normalize(path)
    .split('/')
    .filter((part) => part !== '');
  const folders = parts.map((_, i) => join(mount, ...parts.slice(0, parts.length - i)));
  return [...folders, mount].filter((folder) => existsSync(folder));
}

/** Null when there is no such file. @throws when it is there and cannot be read. */
export function textOf(file: string): string | null {
  return existsSync(file) ? readFileSync(file, 'utf8') : null;
}

/** The count after a name, as in memory.events and cpu.stat: `oom_kill 2`; undefined when it is not there. */
export const countOf = (text: string | null, name: string): string | undefined =>
  text === null ? undefined : new RegExp(`^${name} (\\d{1,20})$`, 'm').exec(text)?.[1];
