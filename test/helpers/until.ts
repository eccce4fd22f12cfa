import { setTimeout as delay } from 'node:timers/promises';

/** Polls until `condition` gives something true, and returns that. Throws after `deadline` milliseconds. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what = String(condition),
  deadline = 10_000,
): Promise<Exclude<T, false | null | undefined>> {
  const end = performance.now() + deadline;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, false | null | undefined>;
    if (performance.now() > end) throw new Error(`not within ${deadline} ms: ${what}`);
    await delay(10);
  }
}
