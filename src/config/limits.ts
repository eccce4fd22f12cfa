import type { HttpOptions, Limits } from './plan.ts';

/** One limit: its value when edge.toml says nothing, and why it must not be unbounded. */
export interface LimitRow {
  default: number;
  /** Durations are milliseconds here, "30s" in edge.toml. */
  unit: 'duration' | 'bytes' | 'count';
  /** Smallest value that makes sense. */
  least: number;
  reason: string;
}

const duration = (value: number, reason: string): LimitRow => ({ default: value, unit: 'duration', least: 1, reason });
const bytes = (value: number, least: number, reason: string): LimitRow => ({
  default: value,
  unit: 'bytes',
  least,
  reason,
});
const count = (value: number, least: number, reason: string): LimitRow => ({
  default: value,
  unit: 'count',
  least,
  reason,
});

/** The one table of limits: edge.toml's `[limits]`, the plan's defaults and docs/configuration.md come from it. */
export const limits: Record<keyof Limits, LimitRow> = {
  headSize: bytes(
    16_384,
    1024,
    'A head is kept in memory until it ends: without a bound each connection could fill it. Node and Apache draw the line at 16 and 8 KiB.',
  ),
  headCount: count(
    100,
    10,
    'Each field costs a check: thousands of tiny ones are work without bytes. Apache allows 100 as well.',
  ),
  tlsHandshakeTimeout: duration(10_000, 'A handshake holds keys and buffers before anyone has said who they are.'),
  preludeTimeout: duration(
    5_000,
    'A PROXY header or an SSLRequest comes at once, from a machine nearby; who sends none only holds a descriptor.',
  ),
  tcpIdleTimeout: duration(
    3_600_000,
    'A peer that vanished without FIN is otherwise never let go. Long, since databases keep quiet connections in pools.',
  ),
  bodyIdleTimeout: duration(
    60_000,
    'A client that stops sending or reading (slow body, slow read) holds an instance as well as the edge.',
  ),
  leastRate: bytes(
    240,
    0,
    'A client that sends a body or reads an answer byte by byte keeps a place below a hard limit for as long as it likes. Bytes a second; only time that it alone is waited for counts, never that of gRPC. 0: none.',
  ),
  leastRateAfter: duration(10_000, "A slow start and a short gap are no attack: so much of such time is everybody's."),
  connectTimeout: duration(
    3_000,
    'Connecting within one network takes milliseconds: more means that the instance is gone, and another one can answer. One lost SYN is sent again after 1 s.',
  ),
  responseTimeout: duration(60_000, 'A request without an answer takes a place below a hard limit from others.'),
  responseIdleTimeout: duration(
    60_000,
    'An instance that stops in the middle of a body holds its client for ever. Event streams send a comment more often than this.',
  ),
  halfCloseTimeout: duration(
    2_000,
    'A client that has sent FIN may still read its answer, but most have left: without progress for this long, the request to the instance is ended.',
  ),
  connectionsPerApp: count(8_000, 1, 'One app under attack must leave room for the others. Per worker.'),
  connections: count(
    10_000,
    1,
    'Each takes a descriptor and about 20 KiB, and mostly a second descriptor towards an instance. Per worker.',
  ),
  queueSize: count(
    1_000,
    0,
    'Waiting requests are memory, and beyond some length each only waits to fail. Per service and worker; 0: no queue.',
  ),
  queueTimeout: duration(10_000, 'Who waited this long has mostly left; answering 503 lets a client try elsewhere.'),
  retryAttempts: count(
    2,
    0,
    'Further attempts after the first: each multiplies load just when instances fail. 0: none.',
  ),
  retryTime: duration(
    10_000,
    'No retry begins later than this after the first attempt, whatever attempts are left; waits in the queue do not count. Longer than connect_timeout, or what cannot be connected to is never tried elsewhere.',
  ),
  ejectFailures: count(
    5,
    0,
    'An instance that resets, refuses or answers nonsense so often in a row gets no requests for a while, whatever its checks say; never the last one. 0: never.',
  ),
  ejectPause: duration(
    5_000,
    'After it one request tries the instance again. Twice as long each further time: each trial may cost a client an error.',
  ),
  ejectPauseMost: duration(300_000, 'The pause grows to this: who mends an instance need not wait for hours.'),
  ejectShare: count(
    50,
    1,
    'Percent of the instances of a service that may be ejected at once, at least one: the rest must carry the load.',
  ),
  poolSize: count(
    128,
    0,
    'Idle connections to one instance take descriptors and memory on both sides. Per worker; 0: no pool.',
  ),
  poolIdleTimeout: duration(
    4_000,
    'Shorter than the keep-alive of common servers (Node: 5 s): a request sent as the instance closes would be lost.',
  ),
  logRate: count(
    20,
    0,
    'Lines about failed requests, a second, of one error code and app; of one code ten times as many. Who sends nonsense would write more log than bytes. Ten seconds worth may come at once; how many were left out is told, and all are counted. Per worker; 0: no limit.',
  ),
  bodySize: bytes(
    0,
    0,
    'Bodies stream through in constant memory, so that they need no bound here; 0: no limit. More is answered with 413.',
  ),
};

export const limitNames = Object.keys(limits) as (keyof Limits)[];

/** `headSize` -> `head_size`. */
export const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export const defaultLimits = (): Limits =>
  Object.fromEntries(limitNames.map((name) => [name, limits[name].default])) as unknown as Limits;

/** http_options when fly.toml says nothing. The times are against clients that hold connections, or send heads byte by byte. */
export const httpDefaults = {
  idleTimeout: 60_000,
  headersReadTimeout: 15_000,
  forwarded: false,
  upgrades: ['websocket'],
  requestTrailers: false,
  leastRate: null,
} satisfies Partial<HttpOptions>;
