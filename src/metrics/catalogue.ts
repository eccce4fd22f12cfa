/** Every series that the edge counts, declared once: the recorder, the exposition and docs/metrics.md all read this table. */

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** Labels that the recorder gives, before a metric's own; region, host and proxy_id are added when it is exposed. */
const scopes = {
  /** The side towards clients. */
  edge: ['app'],
  /** The side towards instances. */
  app: ['app', 'instance'],
  /** The edge itself: a slot, whatever the app. */
  slot: [],
} as const;

export type Scope = keyof typeof scopes;

interface Row {
  name: string;
  type: MetricType;
  scope: Scope;
  /** Labels of its own, after the standard ones. */
  own: readonly string[];
  unit: string;
  help: string;
  source: string;
  /** A PromQL query that one would start from. */
  query: string;
}

export interface Metric extends Row {
  /** Position in `metrics`. */
  id: number;
  /** Names of the labels that the recorder gives, in its order: [app] [, instance] [, own …]. */
  labels: readonly string[];
}

const table = {
  edgeHttpResponses: {
    name: 'fly_edge_http_responses_count',
    type: 'counter',
    scope: 'edge',
    own: ['status'],
    unit: 'responses',
    help: 'Final responses begun towards clients, with those that the edge made itself; of the 1xx only 101 counts.',
    source: 'proxy',
    query: 'sum by (app, status) (rate(fly_edge_http_responses_count[5m]))',
  },
  edgeHttpResponseTime: {
    name: 'fly_edge_http_response_time_seconds',
    type: 'histogram',
    scope: 'edge',
    own: ['status'],
    unit: 'seconds',
    help: "From the first byte of a request's head until the last byte of its response was handed to the socket, or it broke off; a 101 ends with its head.",
    source: 'proxy',
    query: 'histogram_quantile(0.99, sum by (app, le) (rate(fly_edge_http_response_time_seconds_bucket[5m])))',
  },
  edgeTcpConnects: {
    name: 'fly_edge_tcp_connects_count',
    type: 'counter',
    scope: 'edge',
    own: [],
    unit: 'connections',
    help: 'Connections of clients that were accepted, counted once their app is known.',
    source: 'proxy',
    query: 'sum by (app) (fly_edge_tcp_connects_count) - sum by (app) (fly_edge_tcp_disconnects_count)',
  },
  edgeTcpDisconnects: {
    name: 'fly_edge_tcp_disconnects_count',
    type: 'counter',
    scope: 'edge',
    own: [],
    unit: 'connections',
    help: 'Connections of clients that were closed, with those that a dying worker took along.',
    source: 'proxy',
    query: 'sum by (app) (rate(fly_edge_tcp_disconnects_count[5m]))',
  },
  edgeDataOut: {
    name: 'fly_edge_data_out',
    type: 'counter',
    scope: 'edge',
    own: [],
    unit: 'bytes',
    help: 'Bytes of TCP payload that the kernel accepted for clients; TLS records and HTTP heads count.',
    source: 'proxy',
    query: 'sum by (app) (rate(fly_edge_data_out[5m]))',
  },
  edgeDataIn: {
    name: 'fly_edge_data_in',
    type: 'counter',
    scope: 'edge',
    own: [],
    unit: 'bytes',
    help: 'Bytes of TCP payload that the kernel delivered from clients; TLS records and HTTP heads count.',
    source: 'proxy',
    query: 'sum by (app) (rate(fly_edge_data_in[5m]))',
  },
  edgeTlsHandshakeErrors: {
    name: 'fly_edge_tls_handshake_errors',
    type: 'counter',
    scope: 'edge',
    own: ['servername'],
    unit: 'handshakes',
    help: 'TLS handshakes that were begun and not finished; servername is empty unless it is a configured hostname.',
    source: 'proxy',
    query: 'sum by (app, servername) (increase(fly_edge_tls_handshake_errors[1h]))',
  },
  edgeTlsHandshakeTime: {
    name: 'fly_edge_tls_handshake_time_seconds',
    type: 'histogram',
    scope: 'edge',
    own: ['version'],
    unit: 'seconds',
    help: 'From accept until the TLS handshake was finished, by negotiated version.',
    source: 'proxy',
    query: 'histogram_quantile(0.95, sum by (version, le) (rate(fly_edge_tls_handshake_time_seconds_bucket[5m])))',
  },
  appConcurrency: {
    name: 'fly_app_concurrency',
    type: 'gauge',
    scope: 'app',
    own: [],
    unit: 'requests or connections',
    help: "Requests in flight to the instance, or open connections, whichever the service's concurrency counts.",
    source: 'proxy',
    query: 'sum by (app, instance) (fly_app_concurrency)',
  },
  appHttpResponses: {
    name: 'fly_app_http_responses_count',
    type: 'counter',
    scope: 'app',
    own: ['status'],
    unit: 'responses',
    help: 'Final response heads that arrived from the instance; each attempt counts.',
    source: 'proxy',
    query: 'sum by (instance) (rate(fly_app_http_responses_count{status=~"5.."}[5m]))',
  },
  appHttpResponseTime: {
    name: 'fly_app_http_response_time_seconds',
    type: 'histogram',
    scope: 'app',
    own: ['status'],
    unit: 'seconds',
    help: "From the first byte of a request sent to the instance until its response's last byte arrived, or either side broke it off; a 101 ends with its head.",
    source: 'proxy',
    query: 'histogram_quantile(0.5, sum by (instance, le) (rate(fly_app_http_response_time_seconds_bucket[5m])))',
  },
  appConnectTime: {
    name: 'fly_app_connect_time_seconds',
    type: 'histogram',
    scope: 'app',
    own: [],
    unit: 'seconds',
    help: 'Time to make a TCP connection to the instance.',
    source: 'proxy',
    query: 'histogram_quantile(0.99, sum by (instance, le) (rate(fly_app_connect_time_seconds_bucket[5m])))',
  },
  appTcpConnects: {
    name: 'fly_app_tcp_connects_count',
    type: 'counter',
    scope: 'app',
    own: [],
    unit: 'connections',
    help: 'Connections to the instance that were made.',
    source: 'proxy',
    query: 'sum by (instance) (fly_app_tcp_connects_count) - sum by (instance) (fly_app_tcp_disconnects_count)',
  },
  appTcpDisconnects: {
    name: 'fly_app_tcp_disconnects_count',
    type: 'counter',
    scope: 'app',
    own: [],
    unit: 'connections',
    help: 'Connections to the instance that were closed, with those that a dying worker took along.',
    source: 'proxy',
    query: 'sum by (instance) (rate(fly_app_tcp_disconnects_count[5m]))',
  },
  edgeErrors: {
    name: 'fly_edge_error_count',
    type: 'counter',
    scope: 'edge',
    own: ['code'],
    unit: 'errors',
    help: 'Requests that the edge itself answered with an error, and connections that it closed with one; neither failed handshakes nor what a drain cut.',
    source: 'proxy',
    query: 'topk(10, sum by (app, code) (increase(fly_edge_error_count[1h])))',
  },
  appSoftLimitReached: {
    name: 'fly_app_soft_limit_reached_count',
    type: 'counter',
    scope: 'app',
    own: [],
    unit: 'events',
    help: 'How often the instance went from below its soft limit to it.',
    source: 'proxy',
    query: 'sum by (instance) (increase(fly_app_soft_limit_reached_count[1h]))',
  },
  appHardLimitReached: {
    name: 'fly_app_hard_limit_reached_count',
    type: 'counter',
    scope: 'app',
    own: [],
    unit: 'events',
    help: 'How often the instance went from below its hard limit to it.',
    source: 'proxy',
    query: 'sum by (instance) (increase(fly_app_hard_limit_reached_count[1h]))',
  },
  // Names of our own from here on. Rows are added at the end only: their positions are what processes of different
  // versions say to each other.
  slotGeneration: {
    name: 'fly_slot_generation',
    type: 'gauge',
    scope: 'slot',
    own: [],
    unit: 'generations',
    help: 'Number of the newest generation that the slot has had, counted over both slots; 0 before its first.',
    source: 'supervisor',
    query: 'max without (proxy_id) (fly_slot_generation)',
  },
  slotState: {
    name: 'fly_slot_state',
    type: 'gauge',
    scope: 'slot',
    own: ['state'],
    unit: 'generations',
    help: 'Generations of the slot that are in this state now: starting, ready, accepting or draining.',
    source: 'supervisor',
    query: 'fly_slot_state{state="draining"} > 0',
  },
  slotBuildInfo: {
    name: 'fly_slot_build_info',
    type: 'gauge',
    scope: 'slot',
    own: ['version'],
    unit: 'none',
    help: '1 while the slot has a generation that runs this version, 0 afterwards.',
    source: 'supervisor',
    query: 'fly_slot_build_info == 1',
  },
  slotFlips: {
    name: 'fly_slot_flips_count',
    type: 'counter',
    scope: 'slot',
    own: ['result'],
    unit: 'flips',
    help: 'Restarts that were to bring this slot up: served, refused (a configuration, port or process that cannot be had), failed (it never became ready); upgrades too.',
    source: 'supervisor',
    query: 'sum by (result) (increase(fly_slot_flips_count[1d]))',
  },
  slotDrainTime: {
    name: 'fly_slot_drain_time_seconds',
    type: 'histogram',
    scope: 'slot',
    own: [],
    unit: 'seconds',
    help: 'From the moment that a generation stopped to accept until its last process was gone.',
    source: 'supervisor',
    query: 'histogram_quantile(0.9, sum by (le) (rate(fly_slot_drain_time_seconds_bucket[1d])))',
  },
  slotDrainCuts: {
    name: 'fly_slot_drain_cut_count',
    type: 'counter',
    scope: 'slot',
    own: [],
    unit: 'connections',
    help: "Connections of clients that were still open at their drain's deadline, and were cut.",
    source: 'supervisor',
    query: 'sum(increase(fly_slot_drain_cut_count[1d]))',
  },
  slotWorkerRestarts: {
    name: 'fly_slot_worker_restarts_count',
    type: 'counter',
    scope: 'slot',
    own: ['reason'],
    unit: 'processes',
    help: 'Workers that died and were replaced: exit (of themselves), signal (from outside, such as out of memory), hang (no answer for five seconds).',
    source: 'supervisor',
    query: 'sum by (reason) (increase(fly_slot_worker_restarts_count[1h]))',
  },
  appSoftLimit: {
    name: 'fly_app_soft_limit',
    type: 'gauge',
    scope: 'app',
    own: [],
    unit: 'requests or connections',
    help: "The instance's soft limit, as its slot was configured; the sum over the app's services that it backs.",
    source: 'supervisor',
    query: 'sum by (app, instance) (fly_app_concurrency) / max by (app, instance) (fly_app_soft_limit)',
  },
  appHardLimit: {
    name: 'fly_app_hard_limit',
    type: 'gauge',
    scope: 'app',
    own: [],
    unit: 'requests or connections',
    help: "The instance's hard limit, likewise; absent when a service has none.",
    source: 'supervisor',
    query: 'sum by (app, instance) (fly_app_concurrency) / max by (app, instance) (fly_app_hard_limit)',
  },
  appInstanceHealthy: {
    name: 'fly_app_instance_healthy',
    type: 'gauge',
    scope: 'app',
    own: ['check'],
    unit: 'none',
    help: 'Whether the instance may get traffic: by its service checks (check="service"; 1 without any) and by what its requests came to (check="passive"; 0 while it is ejected or on trial).',
    source: 'supervisor',
    query: 'max by (app, host, instance, check) (fly_app_instance_healthy) == 0',
  },
} as const satisfies Record<string, Row>;

export const metrics: readonly Metric[] = Object.values(table).map((row: Row, id) => ({
  ...row,
  id,
  labels: [...scopes[row.scope], ...row.own],
}));

/** Position in `metrics` of each series, by its short name. */
export const MetricId = Object.fromEntries(Object.keys(table).map((key, id) => [key, id])) as Record<
  keyof typeof table,
  number
>;

/**
 * Statuses whose response counters exist, at 0, before the first response. A counter that is first seen at 500 has
 * never increased as far as `increase()` can tell.
 */
export const bornStatuses: Readonly<Record<'edge' | 'app', readonly number[]>> = {
  edge: [
    200, 201, 204, 206, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 410, 413, 422, 429, 500, 501, 502,
    503, 504,
  ],
  app: [200, 201, 204, 302, 403, 404, 500, 502, 503],
};
