/** A panel on the page: heading, chart, legend, and all of it as a table on demand. */

import { format } from '../model/format.ts';
import type { Panel } from '../model/panel.ts';
import { empty, type LinesView, type View } from '../model/view.ts';
import { Chart } from './chart.ts';
import { element, replaceWhenChanged, setText } from './dom.ts';
import { swatch } from './ink.ts';
import { limitsTable } from './limits-table.ts';
import type { Period } from './plot.ts';
import { theme } from './theme.ts';
import { summary, valuesTable } from './values-table.ts';

export class PanelElement {
  readonly panel: Panel;
  readonly root: HTMLElement;
  /** Whether any of it is on the screen, or nearly. */
  visible = false;
  readonly #plot: HTMLElement;
  readonly #legend = element('ul', { class: 'legend' });
  readonly #help: HTMLElement;
  readonly #note = element('p', { class: 'note', hidden: true });
  readonly #data: HTMLElement;
  readonly #code = element('code', { class: 'query' });
  readonly #button: HTMLButtonElement;
  readonly #chart: Chart;
  #view: View | null = null;
  /** The choice that it was asked for, in words; null: it was not yet. */
  #drawn: string | null = null;
  /** What stands in place of a chart. */
  #remark = '';

  constructor(panel: Panel) {
    const { id, title, help } = panel;
    this.panel = panel;
    this.#help = element('p', { class: 'help' }, help);
    this.#plot = element('div', { class: 'plot', role: 'img', 'aria-label': title });
    this.#data = element('div', { class: 'data', id: `values-${id}`, hidden: true });
    this.#button = element(
      'button',
      { type: 'button', class: 'small', 'aria-expanded': 'false', 'aria-controls': `values-${id}` },
      'Values',
      element('span', { class: 'unseen' }, ` of ${title}`),
    );
    this.#button.addEventListener('click', () => this.#toggle());
    this.root = element(
      'section',
      { class: 'panel', id: `panel-${id}`, 'aria-labelledby': `title-${id}` },
      element('header', {}, element('h3', { id: `title-${id}` }, title), this.#button),
      this.#help,
      this.#plot,
      this.#note,
      this.#legend,
      this.#data,
    );
    this.#chart = new Chart(this.#plot, (index) => this.#values(index));
  }

  /** @param query in PromQL: what was asked, or would be. @param choice that it is of, in words. */
  show(view: View, period: Period, query: string, choice: string): void {
    this.#view = view;
    this.#isOf(choice);
    setText(this.#code, query);
    if (empty(view)) return void this.note(this.panel.empty, choice);
    this.#note.hidden = true;
    this.#help.hidden = false;
    this.#plot.hidden = false;
    this.#button.hidden = view.kind === 'limits';
    if (view.kind === 'limits') {
      this.#plot.removeAttribute('role');
      this.#plot.removeAttribute('aria-label');
      this.#plot.replaceChildren(limitsTable(view));
      return;
    }
    this.#chart.draw(view, period);
    this.#plot.setAttribute('aria-label', summary(this.panel.title, view));
    if (view.kind === 'lines' || view.kind === 'stack') this.#showLegend(view);
    if (!this.#data.hidden) this.#fill();
  }

  /** In place of a chart. @param choice that it is of, in words. */
  note(text: string, choice: string): void {
    this.#isOf(choice);
    this.#remark = text;
    this.#chart.clear();
    this.#plot.hidden = true;
    this.#button.hidden = true;
    this.#data.hidden = true;
    this.#button.ariaExpanded = 'false';
    this.#note.hidden = false;
    this.#help.hidden = true;
    setText(this.#note, text);
    replaceWhenChanged(this.#legend, '', () => []);
  }

  /** @param choice that holds from now on, in words: what is drawn of another one says so. */
  chosen(choice: string): void {
    const before = this.#drawn !== null && this.#drawn !== choice;
    this.root.toggleAttribute('data-before', before);
    setText(this.#help, before ? `Of the choice before: ${this.#drawn}.` : this.panel.help);
    setText(this.#note, before ? 'Not asked yet for what is chosen.' : this.#remark);
  }

  #isOf(choice: string): void {
    this.#drawn = choice;
    this.chosen(choice);
  }

  #showLegend(view: LinesView): void {
    const { kind, lines } = view;
    replaceWhenChanged(
      this.#legend,
      JSON.stringify([theme(), lines.map(({ label, tone, pattern }) => [label, tone, pattern])]),
      () =>
        lines.map(({ label, tone, pattern }) =>
          element('li', {}, swatch(kind, tone, pattern), element('span', {}, label), element('b', {})),
        ),
    );
    this.#values(null);
  }

  /** @param index of the time; null: the last. */
  #values(index: number | null): void {
    const view = this.#view;
    if (view?.kind !== 'lines' && view?.kind !== 'stack') return;
    const shown = this.#legend.querySelectorAll('b');
    view.lines.forEach(({ values }, i) => {
      const target = shown[i];
      if (target !== undefined)
        setText(target, format((index === null ? values.at(-1) : values[index]) ?? null, view.unit));
    });
  }

  #toggle(): void {
    this.#data.hidden = !this.#data.hidden;
    this.#button.ariaExpanded = String(!this.#data.hidden);
    if (!this.#data.hidden) this.#fill();
  }

  #fill(): void {
    if (this.#view === null || this.#view.kind === 'limits') return;
    this.#data.replaceChildren(
      valuesTable(this.panel.title, this.#view),
      element('p', { class: 'help' }, 'In PromQL: ', this.#code),
    );
  }
}
