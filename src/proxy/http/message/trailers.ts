import { lower, members, trimOws } from '../../../base/ascii.ts';
import { canonical, flagsOfName } from './names.ts';

/**
 * Whether a field may go on as a trailer: none that frames, routes, authenticates or controls the message, that the edge sets,
 * or that goes no further than this connection (RFC 9110 6.5.1, 7.6.1), in any spelling.
 * @param options what `Connection` names, in canonical spelling
 */
export const isTrailer = (name: string, options: readonly string[] | null): boolean =>
  flagsOfName(name) === 0 && !options?.includes(canonical(name));

/**
 * What of a `Trailer` field (RFC 9110 6.6.2) is still true: its line, '' when nothing is.
 * @param drops what fly.toml removes, in lower case
 */
export function trailerLine(
  list: string,
  options: readonly string[] | null,
  drops: ReadonlySet<string> | null = null,
): string {
  const names = members(list).filter((name) => name !== '' && isTrailer(name, options) && !drops?.has(lower(name)));
  return names.length === 0 ? '' : `Trailer: ${names.join(', ')}\r\n`;
}

/**
 * Whether a list of `TE` (RFC 9110 10.1.4) takes trailers. It speaks to us whether or not `Connection` says so: no sender means
 * anybody else by it. Of the codings that it may name we know none but chunked.
 */
export const acceptsTrailers = (list: string): boolean =>
  members(lower(list)).some((member) => {
    const [name = '', ...parameters] = member.split(';').map(trimOws);
    return name === 'trailers' && !parameters.some((parameter) => /^q=0(\.0{0,3})?$/.test(parameter));
  });
