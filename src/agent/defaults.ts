import type { CollectorOptions } from './collector.ts';

/** An expression of the operator's as it is used: it is matched against whole names. A mount point's may hold a line feed. */
export const wholeNames = (text: string): RegExp => new RegExp(`^(?:${text})$`, 's');

/** What an agent shows and where it looks, unless it is told. Each expression is matched against whole names. */

export const defaults = {
  listen: '127.0.0.1:9100',
  proc: '/proc',
  sys: '/sys',
  root: '/',
  excluded: {
    /** Partitions, whose disk is shown; and what is no disk. */
    disk: 'z?ram\\d+|loop\\d+|fd\\d+|(h|s|v|xv)d[a-z]+\\d+|nvme\\d+n\\d+p\\d+|mmcblk\\d+p\\d+',
    /** Ends of containers' links: they come and go with each container. */
    net: 'veth.*',
    /** The system's own, containers' layers, and the files that container engines mount into each container. */
    mount: '/(dev|proc|run|sys)(/.*)?|/var/lib/(docker|containers/storage)/.+|/etc/(hosts|hostname|resolv\\.conf)',
    /** Those that store nothing, or that cannot change. */
    fsType:
      'autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|fuse\\.lxcfs|hugetlbfs|iso9660|mqueue|nsfs|proc|procfs|pstore|ramfs|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs',
  },
} as const;

/** @param tell as `CollectorOptions` has it. */
export function defaultOptions(tell: CollectorOptions['tell']): CollectorOptions {
  const { proc, sys, root, excluded } = defaults;
  const [disk, net, mount, fsType] = [excluded.disk, excluded.net, excluded.mount, excluded.fsType].map(wholeNames);
  return { proc, sys, root, excluded: { disk, net, mount, fsType }, tell };
}
