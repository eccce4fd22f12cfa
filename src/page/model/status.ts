/** Statuses of HTTP by class. */

export const statusClasses = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const;
export type StatusClass = (typeof statusClasses)[number];

/** `204` → `2xx`, which is a label as well: of statuses that nobody registered. Null for others. */
export function statusClass(status: string): StatusClass | null {
  return /^[1-5](\d\d|xx)$/.test(status) ? (`${status[0]}xx` as StatusClass) : null;
}
