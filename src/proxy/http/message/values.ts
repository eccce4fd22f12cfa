import type { Head } from './head.ts';

/** The one value of a field, null when it is absent or repeated. */
export function single(head: Head, id: number): string | null {
  let found: string | null = null;
  for (let i = 0; i < head.count; i++) {
    if (head.ids[i] !== id) continue;
    if (found !== null) return null;
    found = head.valueOf(i);
  }
  return found;
}

/** The values of all fields with this id, each followed by `, `. */
export function joined(head: Head, id: number): string {
  let all = '';
  for (let i = 0; i < head.count; i++) {
    if (head.ids[i] === id) all += `${head.valueOf(i)}, `;
  }
  return all;
}
