import type { LiveStore } from '../page/model/live-store.ts';

/** One page may take so long, from the request to its last byte. */
const timeout = 10_000;

/** Reads the page at `url` into the store. @returns why it could not be read; then the store is as it was. */
export async function poll(url: string, store: LiveStore): Promise<string | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeout) });
    if (!response.ok || response.body === null) return `${url} answered ${response.status}`;
    store.begin();
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) store.push(piece);
    store.commit(Date.now() / 1000);
    return null;
  } catch (error) {
    const { cause, message } = error as Error;
    return `${url}: ${cause instanceof Error ? cause.message : message}`;
  }
}
