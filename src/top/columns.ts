export type Align = 'left' | 'right';

/** Lines of cells, each padded to the widest of its column. */
export function columns(rows: string[][], align: readonly Align[]): string[] {
  const clean = rows.map((row) => row.map(printable));
  const widths = align.map((_, column) => Math.max(...clean.map((row) => row[column]!.length)));
  return clean.map((row) =>
    row
      .map((cell, column) => (align[column] === 'left' ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** What a terminal would obey is shown as `?`. */
const printable = (text: string): string => text.replace(/[^\P{C}]/gu, '?');
