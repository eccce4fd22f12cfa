/** The storage tier's scrape configuration. It names the edges; what is behind them is discovered at `/sd`. */

import type { Address } from '../config/address.ts';
import type { TargetKind } from './discovery.ts';

export type ScrapeEngine = 'victoria-metrics' | 'prometheus';

export interface ScrapeConfigOptions {
  engine: ScrapeEngine;
  /** Metrics addresses of the edges, as the scraper reaches them: `host:port`. */
  edges: string[];
  /** Where the gateway's own series are; null when there is none. */
  gateway: string | null;
  /** Seconds. */
  interval: number;
  /** For a cluster: series say which tenant they are of, in the labels that vminsert's `multitenant` path reads. */
  tenants: boolean;
}

const defaultTimeout = 10;

/** The labels that say whose a series is: those of the target hold, whatever an app writes. */
const ownLabels = ['org', 'app', 'region', 'host', 'instance'];
const tenantLabels = ['vm_account_id', 'vm_project_id'];
/** Names that the edge alone tells, and the gateway; in a sum they would count with its own. */
const ownNames = 'fly_(app|edge|gateway|slot|supervisor|volume)_.*';
/** Names that agents alone tell. */
const agentNames = 'fly_instance_.*';

/**
 * YAML for `-promscrape.config` of victoria-metrics and vmagent, or for Prometheus. They differ in two settings, which the
 * former know as flags only, and refuse in the file.
 */
export function scrapeConfig({ engine, edges, gateway, interval, tenants }: ScrapeConfigOptions): string {
  const prometheus = engine === 'prometheus';
  // Prometheus' MB are 1024 * 1024 bytes.
  const limit = prometheus ? '    body_size_limit: 16MB\n' : '';
  const refresh = prometheus ? `        refresh_interval: ${interval}s\n` : '';
  const tenant = tenants
    ? rule('source_labels: [__meta_fly_tenant]', 'target_label: vm_account_id') +
      rule("replacement: '0'", 'target_label: vm_project_id')
    : '';

  // Prometheus and vmagent keep what an app claimed under another name, and that name too if it claimed it.
  const claimed = tenants
    ? `(exported_)+(${[...ownLabels, ...tenantLabels].join('|')})`
    : `(exported_)+(${ownLabels.join('|')})|${tenantLabels.join('|')}`;

  const discovered = (...kinds: TargetKind[]): string => `    http_sd_configs:
${edges.map((edge) => `      - url: http://${edge}/sd\n${refresh}`).join('')}    relabel_configs:
${rule('source_labels: [__meta_fly_kind]', `regex: ${kinds.join('|')}`, 'action: keep')}${tenant}`;

  return `# Made by \`fly-edge scrape-config\`, for ${
    prometheus
      ? 'Prometheus'
      : `victoria-metrics or vmagent, with these flags:
#   -promscrape.httpSDCheckInterval=${interval}s   an instance that goes away is scraped no longer than this
#   -promscrape.maxScrapeSize=16MiB      (their default) larger answers are dropped`
  }
global:
  scrape_interval: ${interval}s
  scrape_timeout: ${Math.min(interval, defaultTimeout)}s
scrape_configs:
  # The edges: a page for each organization, in parts; its series say themselves which instance they are of. What tells the parts
  # apart stays on up and scrape_*: a series is the same in whichever part it comes.
  - job_name: fly-edge
    honor_labels: true
    follow_redirects: false
${limit}${discovered('edge')}    metric_relabel_configs:
${rule('regex: job|part', 'action: labeldrop')}${rule('source_labels: [__name__]', 'regex: fly_(edge|slot|volume)_.*', 'target_label: instance', "replacement: ''")}
  # The apps' own series. What they say of these labels, or by the edge's names, is not believed; a redirect could lead elsewhere.
  - job_name: fly-app
    honor_labels: false
    follow_redirects: false
${limit}    tls_config:
      # Instances are reached by address, for which hardly one has a certificate.
      insecure_skip_verify: true
${discovered('app')}    metric_relabel_configs:
${rule('source_labels: [__name__]', `regex: ${ownNames}|${agentNames}`, 'action: drop')}${rule(`regex: ${claimed}`, 'action: labeldrop')}
  # What runs beside them: agents, which tell of the instance, and exporters, such as Postgres'.
  - job_name: fly-beside
    honor_labels: false
    follow_redirects: false
${limit}${discovered('agent', 'exporter')}    metric_relabel_configs:
${rule('source_labels: [__name__]', `regex: ${ownNames}`, 'action: drop')}${rule('source_labels: [job, __name__]', `regex: exporter .*;${agentNames}`, 'action: drop')}${rule(`regex: ${claimed}`, 'action: labeldrop')}${gateway === null ? '' : gatewayJob(gateway)}`;
}

/** An address that reaches, from this machine, what listens on every one. */
export function reachable({ host, port }: Address): Address {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  return { host: host === '::' ? '::1' : host, port };
}

const gatewayJob = (address: string): string => `
  # The query API: its series name the organization that they are of.
  - job_name: fly-gateway
    honor_labels: true
    static_configs:
      - targets: ['${address}']
`;

/** One relabelling rule, of YAML lines. */
const rule = (...lines: string[]): string => `      - ${lines.join('\n        ')}\n`;
