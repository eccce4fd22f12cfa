/** Who scrapes the agent, and whether all of them know how the app ended. */

interface Client {
  /** Scrapes before the app ended. */
  before: number;
  /** Scrapes that told how it ended. */
  told: number;
  /** When the last scrape that counts came. */
  at: number;
}

/** Scrapes that tell each client: one may be lost on its way to a storage that restarts, or be of a client's twin. */
const enough = 3;
/** Milliseconds between two that count: somebody who asks again and again has not been told more. */
const apart = 1_000;
/** Who has scraped no more often than this before the end was no scraper. */
const regular = 2;
/** Milliseconds without a scrape after which a client is no longer waited for. */
const gone = 300_000;
/** Clients that are remembered: strangers may come by any number of names. */
const most = 64;

export class Audience {
  readonly #clients = new Map<string, Client>();

  /** @param name of the client. @param told whether it was sent the end. @param now milliseconds, of any clock. */
  scraped(name: string, told: boolean, now: number): void {
    const client = this.#clients.get(name);
    if (client === undefined) {
      if (this.#clients.size < most) this.#clients.set(name, { before: told ? 0 : 1, told: told ? 1 : 0, at: now });
      return;
    }
    if (told && client.told > 0 && now - client.at < apart) return;
    client.at = now;
    if (told) client.told++;
    else client.before++;
  }

  /** Whether all who scraped regularly know; where nobody did, all who have asked since. */
  knows(now: number): boolean {
    const clients = [...this.#clients.values()];
    const regulars = clients.filter(({ before, at }) => before >= regular && now - at < gone);
    const waited = regulars.length > 0 ? regulars : clients.filter(({ told }) => told > 0);
    return waited.length > 0 && waited.every(({ told }) => told >= enough);
  }
}
