/** How processes of different versions tell each other which series they mean. */

import { type Metric, metrics } from './catalogue.ts';

const byName = new Map(metrics.map((metric) => [metric.name, metric]));

/** Processes of 0.1 tell positions in the catalogue, which had this order then. It stays as it is, whatever becomes of the catalogue. */
const formerOrder: readonly string[] = [
  'fly_edge_http_responses_count',
  'fly_edge_http_response_time_seconds',
  'fly_edge_tcp_connects_count',
  'fly_edge_tcp_disconnects_count',
  'fly_edge_data_out',
  'fly_edge_data_in',
  'fly_edge_tls_handshake_errors',
  'fly_edge_tls_handshake_time_seconds',
  'fly_app_concurrency',
  'fly_app_http_responses_count',
  'fly_app_http_response_time_seconds',
  'fly_app_connect_time_seconds',
  'fly_app_tcp_connects_count',
  'fly_app_tcp_disconnects_count',
  'fly_edge_error_count',
  'fly_app_soft_limit_reached_count',
  'fly_app_hard_limit_reached_count',
  'fly_slot_generation',
  'fly_slot_state',
  'fly_slot_build_info',
  'fly_slot_flips_count',
  'fly_slot_drain_time_seconds',
  'fly_slot_drain_cut_count',
  'fly_slot_worker_restarts_count',
  'fly_app_soft_limit',
  'fly_app_hard_limit',
  'fly_app_instance_healthy',
];

/** @param told its name, or its former position. @returns undefined for one that this version does not have. */
export const metricTold = (told: string | number): Metric | undefined =>
  byName.get(typeof told === 'number' ? (formerOrder[told] ?? '') : told);
