import { close } from './close.ts';
import { brokenOff, deadInstance, malformed, status500, unknownHost } from './errors.ts';
import { direct, keepAlive } from './keep-alive.ts';
import { postLarge, postSmall } from './post.ts';
import type { Scenario } from './scenario.ts';
import { slow } from './slow.ts';
import { tls, tlsClose } from './tls.ts';

/** In the order in which they run. */
export const scenarios: Scenario[] = [
  ...[keepAlive, direct, close, postSmall, postLarge, tls, tlsClose],
  ...[status500, unknownHost, deadInstance, malformed, brokenOff, slow],
];
