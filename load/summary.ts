/** From the rounds of a proxy to one row: medians, and ratios to the peers that set the mark. */

import type { Result } from './generator.ts';
import { type Cell, formatTable } from './table.ts';

export interface Round extends Result {
  /** Microseconds of CPU per request. */
  cpu: number;
  /** Bytes. */
  memory: number;
}

export interface Summary extends Round {
  work: string;
  peer: string;
  rounds: Round[];
}

export function summarize(work: string, peer: string, rounds: Round[]): Summary {
  const of = (key: 'requests' | 'rate' | 'p50' | 'p99' | 'cpu' | 'memory') => median(rounds.map((round) => round[key]));
  return {
    work,
    peer,
    requests: of('requests'),
    rate: of('rate'),
    p50: of('p50'),
    p99: of('p99'),
    cpu: of('cpu'),
    memory: of('memory'),
    rounds,
    fault: rounds.find((round) => round.fault !== null)?.fault ?? null,
  };
}

/**
 * CPU per request in times of another proxy's, or null when that one has no good result. The median over the rounds of
 * the ratio within a round: whatever else the machine does then slows both.
 */
export function ratio(summary: Summary, to: Summary | undefined): number | null {
  if (to === undefined || to.fault !== null) return null;
  return median(summary.rounds.map((round, i) => round.cpu / to.rounds[i]!.cpu));
}

/** The rows of one scenario as text. */
export function summaryTable(work: string, summaries: Summary[]): string {
  const rows = summaries.filter((summary) => summary.work === work);
  const times = (row: Summary, peer: string) =>
    fixed(
      ratio(
        row,
        rows.find((other) => other.peer === peer),
      ),
      2,
    );
  const range = ({ rounds }: Summary) => {
    const cpu = rounds.map((round) => round.cpu);
    return `${Math.min(...cpu).toFixed(1)}-${Math.max(...cpu).toFixed(1)}`;
  };
  const marks = ['nginx', 'haproxy', ...(rows.some((row) => row.peer === 'before') ? ['before'] : [])];
  return formatTable(
    ['proxy', 'CPU µs/req', 'min-max', ...marks.map((mark) => `× ${mark}`), 'req/s', 'p50 ms', 'p99 ms', 'MB', ''],
    rows.map((row) => [
      row.peer,
      fixed(row.cpu, 1),
      range(row),
      ...marks.map((mark) => times(row, mark)),
      fixed(row.rate, 0),
      fixed(row.p50, 2),
      fixed(row.p99, 2),
      fixed(row.memory / 2 ** 20, 0),
      row.fault === null ? '' : `FAILED: ${row.fault}`,
    ]),
  );
}

const fixed = (value: number | null, digits: number): Cell =>
  value !== null && Number.isFinite(value) ? value.toFixed(digits) : null;

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
