import { COLON, CR, isBlank, LF } from './bytes.ts';

/** The one table of rules that a message can break. A name goes to the log, never to the client. */
export const faults = {
  // The lines.
  'bare-lf': 'RFC 9112 2.2',
  'bare-cr': 'RFC 9112 2.2',
  'empty-lines': 'RFC 9112 2.2',
  'space-before-first-field': 'RFC 9112 2.2',
  'obs-fold': 'RFC 9112 5.2',
  // The start line.
  'bad-version': 'RFC 9112 2.3',
  'version-unsupported': 'RFC 9110 15.6.6',
  'bad-request-line': 'RFC 9112 3',
  'bad-method': 'RFC 9112 3.1',
  'bad-target': 'RFC 9112 3.2',
  fragment: 'RFC 9112 3.2.1',
  'target-form': 'RFC 9112 3.2',
  userinfo: 'RFC 9110 4.2.4',
  'bad-status-line': 'RFC 9112 4',
  'bad-status': 'RFC 9110 15',
  // Field lines.
  'empty-name': 'RFC 9112 5',
  'bad-name': 'RFC 9110 5.1',
  'no-colon': 'RFC 9112 5',
  'space-in-name': 'RFC 9112 5.1',
  'control-in-value': 'RFC 9110 5.5',
  // Host.
  'no-host': 'RFC 9112 3.2',
  'two-hosts': 'RFC 9112 3.2',
  'empty-host': 'RFC 9110 4.2.1',
  'bad-host': 'RFC 9110 7.2',
  'authority-is-not-host': 'RFC 9112 3.2.2',
  // Framing.
  'length-and-coding': 'RFC 9112 6.3',
  'repeated-length': 'RFC 9110 8.6',
  'bad-length': 'RFC 9110 8.6',
  'coding-in-1.0': 'RFC 9112 6.1',
  'repeated-coding': 'RFC 9112 6.1',
  'bad-coding': 'RFC 9112 6.1',
  'chunked-not-last': 'RFC 9112 6.3',
  'coding-not-implemented': 'RFC 9112 6.1',
  'framing-in-another-spelling': 'RFC 9112 6.3',
  'interim-with-body': 'RFC 9110 8.6',
  // Connection.
  'bad-connection': 'RFC 9110 7.6.1',
  'connection-names-framing': 'RFC 9110 7.6.1',
  // Chunked bodies.
  'bad-chunk-size': 'RFC 9112 7.1',
  'chunk-size-overflow': 'RFC 9112 7.1',
  'bad-chunk-extension': 'RFC 9112 7.1.1',
  'chunk-line-too-long': 'RFC 9112 7.1.1',
  'chunk-extensions-too-long': 'RFC 9112 7.1.1',
  'bad-chunk-end': 'RFC 9112 7.1',
  'trailers-too-large': 'RFC 9110 5.4',
} as const satisfies Record<string, string>;

export type Fault = keyof typeof faults;

/** Why a field name can't go on with this byte, or begin with it. */
export function nameFault(byte: number, atStart: boolean): Fault {
  if (byte === LF) return 'bare-lf';
  if (byte === CR) return 'no-colon';
  if (byte === COLON) return 'empty-name';
  if (!isBlank(byte)) return 'bad-name';
  return atStart ? 'obs-fold' : 'space-in-name';
}
