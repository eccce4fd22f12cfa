/** Which instances get no requests, and why. */

import type { Read } from './read.ts';
import { latest, rowKey, type Table } from './table.ts';

/** Two colours may know an instance: they differ where a restart has changed it, and the newer one is right to see it well. */
export const healthRead: Read = {
  metric: 'fly_app_instance_healthy',
  as: 'value',
  by: ['app', 'instance', 'check'],
  combine: 'max',
};

/** Names what ails those that are ill, by the key of app and instance; what their checks find is the stronger reason. */
export function ills(healthy: Table): Map<string, string> {
  const found = new Map<string, string>();
  for (const row of healthy.rows) {
    if (latest(row) !== 0) continue;
    const { app = '', instance = '', check } = row.labels;
    const key = rowKey({ app, instance });
    if (check === 'service') found.set(key, 'fails its checks');
    else if (!found.has(key)) found.set(key, 'ejected');
  }
  return found;
}
