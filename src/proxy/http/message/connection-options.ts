import { lower, members } from '../../../base/ascii.ts';
import { TOKEN } from './bytes.ts';
import type { Fault } from './faults.ts';
import { canonical } from './names.ts';

export interface ConnectionOptions {
  readonly close: boolean;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
  readonly others: string[] | null;
}

const none: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, others: null };

/** What nearly every message says, by its length: no string to make, no list to split. */
const common: { text: string; options: ConnectionOptions }[] = Array.from({ length: 11 }, () => ({
  text: '',
  options: none,
}));
common['close'.length] = { text: 'close', options: { ...none, close: true } };
common['upgrade'.length] = { text: 'upgrade', options: { ...none, upgrade: true } };
common['keep-alive'.length] = { text: 'keep-alive', options: { ...none, keepAlive: true } };

/** Dropping one of these would change where a message ends or whom it is for. */
const neverOptions = new Set(['host', 'content-length', 'transfer-encoding']);

export const isToken = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] === 0) return false;
  return text.length > 0;
};

/** What one `Connection` field in text[start,end) says, or the fault. */
export function readConnection(text: string, start: number, end: number): ConnectionOptions | Fault {
  const length = end - start;
  if (length < common.length) {
    const guess = common[length];
    if (guess.text.length === length && text.startsWith(guess.text, start)) return guess.options;
  }
  return readOptions(text.slice(start, end));
}

/** The members of a list of options (RFC 9110 7.6.1), or the fault; empty members are skipped (RFC 9110 5.6.1). */
export function readOptions(list: string): ConnectionOptions | Fault {
  const options = { close: false, keepAlive: false, upgrade: false, others: null as string[] | null };
  for (const option of members(lower(list))) {
    if (option === '') continue;
    if (!isToken(option)) return 'bad-connection';
    const name = canonical(option);
    if (neverOptions.has(name)) return 'connection-names-framing';
    if (option === 'close') options.close = true;
    else if (option === 'keep-alive') options.keepAlive = true;
    else if (option === 'upgrade') options.upgrade = true;
    else (options.others ??= []).push(name);
  }
  return options;
}
