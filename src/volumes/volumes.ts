/** The volumes' part of the page: sizes and use as LVM last told, for the volumes of the plan that serves now. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Plan } from '../config/plan.ts';
import type { Log } from '../log/log.ts';
import { volumeSeries } from '../metrics/catalogue-volume.ts';
import { formatNumber, headerOf, type ScrapeShare } from '../metrics/exposition.ts';
import { escapeLabel, type Machine } from '../metrics/labels.ts';
import { type LogicalVolume, type LvsReason, type LvsReport, type LvsRun, runLvs } from './lvs.ts';

type Volume = NonNullable<Plan['volumes']>[number];

/** absent: LVM answered, and has no such volume. */
type Reason = LvsReason | 'absent';
const reasons: readonly Reason[] = ['missing', 'failed', 'timeout', 'unreadable', 'absent'];

export interface VolumesOptions {
  log: Log;
  machine: Machine;
  /** Those of the plan that serves. */
  volumes: () => readonly Volume[];
  run?: () => LvsRun;
  /** Milliseconds of a clock that never goes back. */
  now?: () => number;
}

/** Milliseconds. LVM is asked again only after this: several scrapers, and each organization's page, share one answer. */
const cacheTime = 10_000;
/** A page waits no longer than this for LVM; the next one shows what it then said. */
const longestWait = 500;
/** What LVM said is shown no longer than this when it says nothing any more: an old value is worse than none. */
const longestAge = 5 * 60_000;

const [sizeBytes, usedPct, errorCount] = volumeSeries;

export class Volumes {
  readonly #options: Required<VolumesOptions>;
  readonly #known = new Map<string, LogicalVolume & { readAt: number }>();
  readonly #errors = new Map<Reason, number>(reasons.map((reason) => [reason, 0]));
  /** What is wrong now, as it was logged. */
  #wrong = new Map<string, Reason>();
  #running: { run: LvsRun; taken: Promise<void> } | null = null;
  #askedAt = -Infinity;

  constructor(options: VolumesOptions) {
    this.#options = { run: runLvs, now: () => performance.now(), ...options };
  }

  /** Lines of the text format, or nothing. @param share undefined on the whole page. */
  async page(share: ScrapeShare | undefined): Promise<string> {
    const all = this.#options.volumes();
    if (all.length === 0) return '';
    await this.#refresh();
    const shown = all.filter(({ app }) => share === undefined || share.apps.has(app));
    const oldest = this.#options.now() - longestAge;
    let sizes = '';
    let uses = '';
    for (const { id, app, lv } of shown) {
      const known = this.#known.get(lv);
      if (known === undefined || known.readAt < oldest) continue;
      const labels = this.#labels({ app }, { id });
      sizes += `${sizeBytes.name}${labels} ${formatNumber(known.size)}\n`;
      if (known.used !== null) uses += `${usedPct.name}${labels} ${formatNumber(known.used)}\n`;
    }
    const errors = share === undefined || share.unowned ? this.#errorLines() : '';
    return withHeader(sizeBytes, sizes) + withHeader(usedPct, uses) + withHeader(errorCount, errors);
  }

  close(): void {
    this.#running?.run.kill();
  }

  async #refresh(): Promise<void> {
    if (this.#options.now() - this.#askedAt >= cacheTime) this.#ask();
    if (this.#running === null) return;
    const waiting = new AbortController();
    const bound = delay(longestWait, undefined, { signal: waiting.signal }).catch(() => {});
    await Promise.race([this.#running.taken, bound]);
    waiting.abort();
  }

  #ask(): void {
    // One that cannot be killed, since its disk does not answer, is not joined by a second.
    if (this.#running !== null) return;
    this.#askedAt = this.#options.now();
    const run = this.#options.run();
    const taken = run.report.then((report) => this.#take(report));
    const running = { run, taken };
    this.#running = running;
    void Promise.all([taken, run.ended]).then(() => (this.#running = null));
  }

  #take({ volumes, fault }: LvsReport): void {
    const readAt = this.#options.now();
    // Only a whole report says that a volume is gone.
    if (fault === null) this.#known.clear();
    for (const [lv, volume] of volumes) {
      if (volume === null) this.#known.delete(lv);
      else this.#known.set(lv, { ...volume, readAt });
    }
    const wrong = new Map<string, Reason>();
    if (fault === null) {
      for (const { lv } of this.#options.volumes())
        if (!volumes.has(lv)) wrong.set(`no logical volume ${lv}`, 'absent');
    } else {
      // Which volumes are there is not known anew.
      for (const [what, reason] of this.#wrong) if (reason === 'absent') wrong.set(what, reason);
      this.#count(fault.reason);
      wrong.set(`lvs ${fault.reason}`, fault.reason);
    }
    for (const [what, reason] of wrong) {
      if (fault === null) this.#count(reason);
      const detail = reason === fault?.reason ? { detail: fault.detail } : {};
      if (!this.#wrong.has(what)) this.#options.log.warn({ reason, ...detail }, `volumes: ${what}`);
    }
    for (const [what, reason] of this.#wrong)
      if (!wrong.has(what)) this.#options.log.info({ reason }, `volumes: no longer: ${what}`);
    this.#wrong = wrong;
  }

  #count(reason: Reason): void {
    this.#errors.set(reason, this.#errors.get(reason)! + 1);
  }

  #errorLines(): string {
    return [...this.#errors]
      .map(([reason, count]) => `${errorCount.name}${this.#labels({}, { reason })} ${count}\n`)
      .join('');
  }

  /** In the order that docs/metrics.md lists. */
  #labels(before: Record<string, string>, after: Record<string, string>): string {
    const { region, host } = this.#options.machine;
    const pairs = Object.entries({ ...before, region, host, ...after });
    return `{${pairs.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(',')}}`;
  }
}

const withHeader = (series: (typeof volumeSeries)[number], lines: string): string =>
  lines === '' ? '' : headerOf(series) + lines;
