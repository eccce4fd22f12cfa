/** The series of the volumes on this host. */

import type { Declared } from './series.ts';

export const volumeSeries = [
  {
    name: 'fly_volume_size_bytes',
    type: 'gauge',
    scope: 'volume',
    own: ['id'],
    unit: 'bytes',
    help: 'Size of the volume: of its logical volume, used or not.',
    source: 'lvs LSize',
    query: 'sum by (app) (fly_volume_size_bytes)',
  },
  {
    name: 'fly_volume_used_pct',
    type: 'gauge',
    scope: 'volume',
    own: ['id'],
    unit: 'percent 0-100',
    help: 'How much of the volume has been written to, as the thin pool sees it: what the file system freed without a discard counts.',
    source: 'lvs Data%',
    query: 'fly_volume_used_pct > 80',
  },
  {
    name: 'fly_volume_error_count',
    type: 'counter',
    scope: 'volume',
    unowned: true,
    own: ['reason'],
    unit: 'errors',
    help: 'How often LVM could not be read: lvs was missing, failed, timeout, unreadable, or a volume was absent from what it listed. From the start of the supervisor.',
    source: 'supervisor',
    query: 'sum by (host, reason) (increase(fly_volume_error_count[1h])) > 0',
  },
] as const satisfies readonly Declared[];
