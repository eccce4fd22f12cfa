/** Times as configuration files and options have them. */

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
/** The longest delay of a timer; more would fire at once. */
export const longestDelay = 2 ** 31 - 1;

/** Milliseconds of "250ms", "30s", "1m30s", "1h"; undefined when it is none, or more than `most` (24 days). */
export function parseDuration(text: string, most = longestDelay): number | undefined {
  if (!/^(\d{1,12}(\.\d{1,9})?(ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ms|s|m|h)/g))
    sum += Number(amount) * units[unit as keyof typeof units];
  return sum <= most ? Math.round(sum) : undefined;
}
