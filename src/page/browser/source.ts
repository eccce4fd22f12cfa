import type { Expression, Read, Selection } from '../model/read.ts';
import type { Table } from '../model/table.ts';

/** A length of time that can be chosen, seconds. */
export interface Span {
  label: string;
  seconds: number;
}

export interface Choices {
  apps: string[];
  regions: string[];
}

/** Where the page's numbers come from. What it cannot give, it throws as `Failure`. */
export interface Source {
  /** Who answers, as a sentence begins: `The storage tier`. */
  readonly name: string;
  readonly spans: readonly Span[];
  /** The span that is chosen at first. */
  readonly span: number;
  /** Seconds of the past that a rate is taken over. */
  window(span: number): number;
  /** Seconds between two looks. */
  interval(span: number): number;
  /** Whether it can answer this at all. */
  answers(read: Read | Expression): boolean;
  /** Gets what there is now; the methods below tell of that moment. @returns the moment, seconds since 1970. */
  refresh(signal: AbortSignal): Promise<number>;
  choices(): Promise<Choices>;
  range(read: Read | Expression, selection: Selection, span: number): Promise<Table>;
  now(read: Read | Expression, selection: Selection): Promise<Table>;
  /** The moment that it can still tell of while it does not answer, seconds since 1970; null: of none. */
  readonly remembered: number | null;
  /** When its memory begins, seconds since 1970; null: long ago. */
  readonly since: number | null;
  /** What the reader should know about what is not shown; empty: nothing. */
  readonly remark: string;
}
