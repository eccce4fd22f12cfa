/**
 * A page in parts. Scrapers drop a page over 16 MiB whole, which one organization reaches with 150 apps on one edge. An
 * app, or an instance of one, stays in its part for as long as it is there, whatever comes and goes around it: a series that
 * moved would be marked as gone where it was.
 */

import { ownersIn, type ScrapeScope, type ScrapeShare } from './exposition.ts';
import type { Owner, Store } from './merge.ts';

export interface Part {
  owners: Owner[];
  /** About. */
  bytes: number;
}

/** Bytes that newcomers fill a part up to. */
const filled = 4 * 1024 * 1024;
/** Beyond this the last ones move on: what is there has more series than it had, for statuses that came up. */
const most = 8 * 1024 * 1024;

/**
 * All parts of a page, by number. The last one has room: newcomers are scraped from their first count on, since scrapers
 * know their part already.
 * @param page its name: the organization's, or empty. @param scope undefined on the whole page.
 */
export function partsOf(store: Store, page: string, scope?: ScrapeScope): Part[] {
  const parts: Part[] = [{ owners: [], bytes: 0 }];
  const add = (owner: Owner, part: number) => {
    while (parts.length <= part) parts.push({ owners: [], bytes: 0 });
    owner.place = { page, part };
    parts[part].owners.push(owner);
    parts[part].bytes += owner.bytes;
  };
  const newcomers: Owner[] = [];
  for (const owner of scope === undefined ? everyOwner(store) : ownersIn(store, scope)) {
    if (owner.app === '') add(owner, 0);
    else if (owner.place?.page === page) add(owner, owner.place.part);
    else newcomers.push(owner);
  }
  for (const part of parts) newcomers.push(...overflow(part));
  let room = 0;
  for (const owner of newcomers) {
    // What was full for one may have room for the next, but hardly; the search stays short.
    while (room < parts.length && parts[room].bytes + owner.bytes > filled && parts[room].bytes > 0) room++;
    add(owner, room);
  }
  if (parts.at(-1)!.bytes > filled / 2) parts.push({ owners: [], bytes: 0 });
  return parts;
}

/** Takes out what is too much. */
function overflow(part: Part): Owner[] {
  const over: Owner[] = [];
  while (part.bytes > most && part.owners.length > 1 && part.owners.at(-1)!.app !== '') {
    const owner = part.owners.pop()!;
    part.bytes -= owner.bytes;
    over.push(owner);
  }
  return over;
}

function* everyOwner(store: Store): Generator<Owner> {
  for (const app of store.apps) yield* store.ownersOf(app);
}

/** What else belongs to a part's apps. Part 0 has that of apps without series, too, and what belongs to no app. */
export function shareOf(parts: readonly Part[], part: number, scope?: ScrapeScope): ScrapeShare {
  const names = ({ owners }: Part) => owners.filter(({ instance }) => instance === null).map(({ app }) => app);
  if (part > 0) return { apps: new Set(names(parts[part] ?? { owners: [], bytes: 0 })), unowned: false };
  const elsewhere = new Set(parts.slice(1).flatMap(names));
  const has = (app: string) => !elsewhere.has(app) && (scope === undefined || scope.apps.has(app));
  return { apps: { has }, unowned: scope?.unowned ?? true };
}
