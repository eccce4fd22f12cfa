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

const goUnits: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ...units };

/** Milliseconds of a text that Go's time.ParseDuration takes, unless it is negative: "1m30s", ".5s", "100us", "0". */
export function parseGoDuration(text: string): number | undefined {
  const all = /^\+?((\d{1,12}\.?\d{0,9}|\.\d{1,9})(ns|us|µs|μs|ms|s|m|h))+$/;
  if (!all.test(text)) return text === '0' ? 0 : undefined;
  let sum = 0;
  for (const [, amount, unit] of text.matchAll(/([\d.]+)(ns|us|µs|μs|ms|s|m|h)/g))
    sum += Number(amount) * goUnits[unit];
  return sum <= longestDelay ? Math.round(sum) : undefined;
}
