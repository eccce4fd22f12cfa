/** The page: what is on it, and the loop that keeps it current. */

import { headlineReads, headlines } from '../model/headline.ts';
import type { Panel } from '../model/panel.ts';
import { sections } from '../model/panels.ts';
import { toQuery } from '../model/read.ts';
import type { Table } from '../model/table.ts';
import * as banner from './banner.ts';
import { Choice, type Chosen, described, instanceFilter, named, readChosen, writeChosen } from './choices.ts';
import { now } from './clock.ts';
import { byId, element } from './dom.ts';
import { Failure } from './failure.ts';
import { showHeadlines } from './headline-list.ts';
import { PanelElement } from './panel-element.ts';
import type { Choices, Source } from './source.ts';

/** Seconds between two looks at which apps there are. */
const choicesInterval = 30;
/** Seconds until the next try while there is no answer. */
const retryInterval = 5;
/** Seconds that a chart shows at least, when there is not more yet. */
const shortest = 60;
/** Panels that are so many pixels away are drawn already. */
const nearby = '200px';

export class Page {
  readonly #source: Source;
  readonly #panels: PanelElement[] = [];
  readonly #chosen: Chosen;
  readonly #controls: { app: Choice; region: Choice; span: Choice };
  #choices: Choices = { apps: [], regions: [] };
  #choicesAt = -Infinity;
  /** The choice that the numbers at the top are of, in words; null: there are none yet. */
  #drawn: string | null = null;
  /** Ends the look that is under way. */
  #look = new AbortController();
  /** Ends the pause between two looks; null while one is under way. */
  #wake: (() => void) | null = null;
  /** Whether a panel appeared since the look that is under way began. */
  #appeared = false;

  constructor(source: Source) {
    this.#source = source;
    this.#chosen = readChosen(source.spans, source.span);
    const choose = (change: Partial<Chosen>) => {
      Object.assign(this.#chosen, change);
      writeChosen(this.#chosen);
      this.#tellChoice();
      this.again();
    };
    this.#controls = {
      app: new Choice('App', 'all apps', (app) => choose({ app })),
      region: new Choice('Region', 'all regions', (region) => choose({ region })),
      span: new Choice('Time', null, (span) => choose({ span: Number(span) })),
    };
    byId('main').replaceChildren(...this.#sections(choose));
    this.#showChoices();
  }

  /** The controls of what is shown. */
  get controls(): HTMLElement[] {
    return Object.values(this.#controls).map(({ root }) => root);
  }

  /** Runs until the token is refused; resolves with the reason. */
  async run(): Promise<string> {
    for (;;) {
      const look = (this.#look = new AbortController());
      this.#appeared = false;
      let pause = this.#source.interval(this.#chosen.span);
      try {
        await this.#update(look.signal);
      } catch (error) {
        if (look.signal.aborted) continue;
        if (!(error instanceof Failure)) throw error;
        if (error.kind === 'unauthorized') return error.message;
        banner.stale(now(), this.#source.name, error.message);
        const { remembered } = this.#source;
        if (remembered !== null) await this.#draw(remembered, look.signal);
        pause = Math.min(pause, retryInterval);
      }
      if (!this.#appeared) await this.#pause(pause);
    }
  }

  /** Looks again at once: something was chosen, or is to be drawn otherwise. What is under way is of no use any more. */
  again(): void {
    this.#look.abort();
    this.#wake?.();
  }

  async #update(signal: AbortSignal): Promise<void> {
    const time = await this.#source.refresh(signal);
    await this.#draw(time, signal);
    signal.throwIfAborted();
    banner.current(time, this.#source.name, this.#source.remark);
  }

  async #draw(time: number, signal: AbortSignal): Promise<void> {
    const choice = this.#choice;
    const tables = await this.#tables(headlineReads, true);
    if (signal.aborted) return;
    showHeadlines(headlines(tables), time);
    this.#drawn = choice;
    this.#tellChoice();
    if (time - this.#choicesAt >= choicesInterval || this.#choices.apps.length === 0) {
      this.#choices = await this.#source.choices();
      this.#choicesAt = time;
      this.#showChoices();
    }
    await Promise.all(this.#panels.filter(({ visible }) => visible).map((panel) => this.#show(panel, time, signal)));
  }

  get #choice(): string {
    return described(this.#chosen, this.#source.spans);
  }

  /** What is drawn of another choice than the one that holds says so. */
  #tellChoice(): void {
    const choice = this.#choice;
    banner.choice(this.#drawn === choice ? null : this.#drawn);
    for (const panel of this.#panels) panel.chosen(choice);
  }

  async #show(shown: PanelElement, time: number, signal: AbortSignal): Promise<void> {
    const { panel } = shown;
    const { span } = this.#chosen;
    const choice = this.#choice;
    try {
      const view = panel.view(await this.#tables(panel.reads, panel.now === true));
      if (signal.aborted) return;
      const last = view.kind === 'limits' ? undefined : view.times.at(-1);
      const to = last ?? time;
      const texts = Object.values(panel.reads).map((read) => toQuery(read, this.#chosen, this.#source.window(span)));
      shown.show(
        view,
        { from: Math.max(to - span, Math.min(this.#source.since ?? 0, to - shortest)), to },
        texts.join('; '),
        choice,
      );
    } catch (error) {
      if (!(error instanceof Failure && error.kind === 'refused')) throw error;
      if (!signal.aborted) shown.note(`This cannot be shown: ${error.message}.`, choice);
    }
  }

  async #tables<K extends string>(
    reads: Readonly<Record<K, Parameters<Source['now']>[0]>>,
    last: boolean,
  ): Promise<Record<K, Table>> {
    const { span } = this.#chosen;
    const asked = Object.entries(reads) as [K, Parameters<Source['now']>[0]][];
    const answers = asked.map(async ([name, read]) => {
      const table = last ? this.#source.now(read, this.#chosen) : this.#source.range(read, this.#chosen, span);
      return [name, await table] as const;
    });
    return Object.fromEntries(await Promise.all(answers)) as Record<K, Table>;
  }

  /** Until the next look. Nobody looks at a hidden page. */
  async #pause(seconds: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(resolve, seconds * 1000);
    await promise;
    clearTimeout(timer);
    this.#wake = null;
    if (!document.hidden) return;
    await new Promise((shown) => document.addEventListener('visibilitychange', shown, { once: true }));
  }

  #showChoices(): void {
    const { app, region, span } = this.#controls;
    app.show(named(this.#choices.apps, '(no app)'), this.#chosen.app);
    region.show(named(this.#choices.regions, '(no region)'), this.#chosen.region);
    span.show(
      this.#source.spans.map(({ label, seconds }) => ({ value: String(seconds), label: `last ${label}` })),
      String(this.#chosen.span),
    );
  }

  #sections(choose: (change: Partial<Chosen>) => void): HTMLElement[] {
    const seen = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: nearby });
    return sections.map(({ id, title, panels }) => {
      const answered = (panel: Panel) => Object.values(panel.reads).every((read) => this.#source.answers(read));
      const shown = panels.filter(answered).map((panel) => new PanelElement(panel));
      const missing = panels.filter((panel) => !answered(panel)).map((panel) => panel.title);
      this.#panels.push(...shown);
      for (const { root } of shown) seen.observe(root);
      return element(
        'section',
        { class: 'group', id, 'aria-labelledby': `title-${id}` },
        element(
          'header',
          {},
          element('h2', { id: `title-${id}` }, title),
          ...(id === 'instances' ? [instanceFilter((instance) => choose({ instance }))] : []),
        ),
        element('div', { class: 'panels' }, ...shown.map(({ root }) => root)),
        ...(missing.length === 0 ? [] : [element('p', { class: 'note' }, elsewhere(missing))]),
      );
    });
  }

  #seen(entries: IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const panel = this.#panels.find(({ root }) => root === target)!;
      this.#appeared ||= isIntersecting && !panel.visible;
      panel.visible = isIntersecting;
    }
    // A look that is under way goes on: what it asked keeps the engine busy, whether anybody waits for it or not.
    if (this.#appeared) this.#wake?.();
  }
}

const elsewhere = (titles: readonly string[]): string =>
  `From the storage tier alone: ${titles.join(', ')}. The gateway’s page shows them.`;
