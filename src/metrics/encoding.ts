/** Whether a client wants gzip (RFC 9110 12.5.3). */

import { lower, members, trimOws } from '../base/ascii.ts';

/** RFC 9110 12.4.2. */
const weightForm = /^q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$/;

/** @param header value of Accept-Encoding; undefined when there is none. */
export function acceptsGzip(header: string | undefined): boolean {
  const weights = new Map<string, number>();
  for (const item of members(lower(header ?? ''))) {
    const [coding, ...parameters] = item.split(';').map(trimOws);
    const weight = parameters.length === 0 ? '1' : weightForm.exec(parameters.at(-1)!)?.[1];
    // One that cannot be read asks for nothing.
    weights.set(coding, weight === undefined ? 0 : Number(weight));
  }
  // RFC 9110 8.4.1.3: x-gzip is another name of gzip.
  const gzip = weights.get('gzip') ?? weights.get('x-gzip') ?? weights.get('*') ?? 0;
  return gzip > 0 && gzip >= (weights.get('identity') ?? 0);
}
