/** Which series of an edge's page the live store keeps, and by which labels; `app` and `region` always. */

export interface Kept {
  type: 'counter' | 'gauge';
  by: readonly string[];
}

const counter = (...by: string[]): Kept => ({ type: 'counter', by });
const gauge = (...by: string[]): Kept => ({ type: 'gauge', by });

export const kept: ReadonlyMap<string, Kept> = new Map(
  Object.entries({
    fly_edge_http_responses_count: counter('proxy_id', 'status'),
    fly_edge_http_response_time_seconds_bucket: counter('le'),
    fly_edge_error_count: counter('code'),
    fly_edge_data_in: counter(),
    fly_edge_data_out: counter(),
    fly_edge_tcp_connects_count: counter(),
    fly_edge_tcp_disconnects_count: counter(),
    fly_edge_tls_handshake_time_seconds_bucket: counter('le'),
    fly_edge_tls_handshake_time_seconds_count: counter('version'),
    fly_edge_tls_handshake_errors: counter(),
    fly_app_http_responses_count: counter('instance'),
    fly_app_concurrency: gauge('instance'),
    // One for each colour: of two generations the higher one counts.
    fly_app_soft_limit: gauge('instance', 'proxy_id'),
    fly_app_hard_limit: gauge('instance', 'proxy_id'),
    fly_app_instance_healthy: gauge('instance', 'proxy_id', 'check'),
    fly_slot_generation: gauge('proxy_id'),
    fly_slot_state: gauge('proxy_id', 'state'),
    fly_volume_size_bytes: gauge('id'),
    fly_volume_used_pct: gauge('id'),
  }),
);
