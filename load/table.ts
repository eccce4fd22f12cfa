/** An aligned table for the terminal: text to the left, numbers to the right. */

export type Cell = string | number | null;

const isNumber = (cell: Cell) => cell !== null && cell !== '' && Number.isFinite(Number(cell));

/** Null is shown as `-`; a column with a number in it, as text or not, goes to the right. */
export function formatTable(head: string[], rows: Cell[][]): string {
  const texts = rows.map((row) => row.map((cell) => (cell === null ? '-' : String(cell))));
  const widths = head.map((title, i) => Math.max(title.length, ...texts.map((row) => row[i]?.length ?? 0)));
  const right = head.map((_, i) => rows.some((row) => isNumber(row[i]!)));
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...texts.map(line)].join('\n');
}
