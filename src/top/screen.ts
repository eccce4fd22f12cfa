/** A terminal that is drawn anew again and again, and is as before in the end. */

import { styleText } from 'node:util';
import type { Line, Style } from './frame.ts';

const styles: Record<Style, Parameters<typeof styleText>[0]> = {
  title: 'bold',
  bad: 'red',
  warn: 'yellow',
  quiet: 'dim',
};

const csi = '\x1b[';
const enter = `${csi}?1049h${csi}?25l`;
const leave = `${csi}?25h${csi}?1049l`;
const home = `${csi}H`;
const clearLine = `${csi}K`;
const clearBelow = `${csi}J`;

export class Screen {
  readonly #out: NodeJS.WriteStream;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
    out.write(enter);
  }

  get rows(): number {
    return this.#out.rows || 24;
  }

  draw(lines: readonly Line[]): void {
    const width = this.#out.columns || 80;
    const shown = lines
      .slice(0, this.rows)
      .map((line) => styled({ ...line, text: line.text.slice(0, width) }, this.#out));
    // Drawn over what is there: a screen that is cleared first flickers.
    this.#out.write(`${home}${shown.map((text) => text + clearLine).join('\r\n')}${clearBelow}`);
  }

  close(): void {
    this.#out.write(leave);
  }
}

/** Styled where the stream shows it: `NO_COLOR` is obeyed. */
export const styled = ({ text, style }: Line, stream: NodeJS.WriteStream): string =>
  style === undefined ? text : styleText(styles[style], text, { stream });
