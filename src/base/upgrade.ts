import { lower } from './ascii.ts';

const http = new Set(['h2c', 'h2', 'h3', 'http', 'tls']);

/**
 * Whether a member of `Upgrade` (RFC 9110 7.8), with or without its version, is HTTP again: in a tunnel the client could forge
 * all that the edge says about it, uncounted.
 */
export const carriesHttp = (protocol: string): boolean => http.has(lower(protocol).split('/', 1)[0]!);
