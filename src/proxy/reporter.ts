import type { EdgeError } from './errors.ts';

/** One line of the access log; times are seconds, sizes bytes of the body or tunnel as it passed. */
export interface AccessEntry {
  app: string;
  instance: string;
  client: string;
  method: string;
  host: string;
  path: string;
  status: number;
  bytesIn: number;
  bytesOut: number;
  /** From the first byte of the head to the last byte of the answer. */
  duration: number;
  /** From the first byte sent to the instance to its head; 0 when it gave none. */
  wait: number;
  attempts: number;
  request: string;
  /** Code of the error table, '' for none. */
  error: string;
}

/** What the data path tells the process around it; the worker joins it to the supervisor and the logs. */
export interface Reporter {
  /** Failures in a row at an upstream; 0: one went well after some. */
  outcome(key: string, address: string, failures: number): void;
  /** One log line for each error that `fly_edge_error_count` counts. */
  error(error: EdgeError, app: string, instance: string, request: string, detail: string): void;
  /** null: the access log is off. */
  access: ((entry: AccessEntry) => void) | null;
}
