import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { formatAddress, parseInstanceAddress, parseListen } from './address.ts';
import type { Fault } from './fault.ts';
import { appName, appNameInstruction, listenInstruction } from './fields.ts';
import { defaultLimits, httpDefaults } from './limits.ts';
import { collide } from './listeners.ts';
import type { Plan } from './plan.ts';

/** `fly-edge run --to HOST:PORT [--listen HOST:PORT] [--metrics HOST:PORT] [--app NAME]`. */
export interface QuickOptions {
  to: string;
  listen?: string;
  metrics?: string;
  app?: string;
}

export const quickDefaults = { listen: '127.0.0.1:8080', metrics: '127.0.0.1:9091', app: 'app' } as const;

/** The plan of an edge without any file: one http listener in front of one server. A fault's file is the option. */
export function planFor(options: QuickOptions): Plan | Fault {
  const { to, listen, metrics: scraped, app } = { ...quickDefaults, ...options };
  const server = serverOf(to);
  if (typeof server === 'string') return fault('--to', `"${to}": ${server}`);
  const address = parseListen(listen);
  if (address === undefined) return fault('--listen', `"${listen}": write ${listenInstruction('127.0.0.1:8080')}`);
  const metrics = parseListen(scraped);
  if (metrics === undefined)
    return fault('--metrics', `"${scraped}": write ${listenInstruction(quickDefaults.metrics)}`);
  if (collide(address, metrics))
    return fault('--listen', `"${listen}" is where the series are scraped: write another port, or another --metrics`);
  if (!appName.test(app)) return fault('--app', `"${app}": write ${appNameInstruction}`);
  return {
    region: 'local',
    host: '0000',
    listeners: [
      {
        key: formatAddress(address),
        address: address.host,
        port: address.port,
        wire: 'http',
        ports: [
          {
            app: 0,
            service: 0,
            publicPort: address.port,
            localPort: address.port,
            http: true,
            proxyProto: 0,
            forceHttps: false,
            httpsPort: 443,
            localHttpsPort: 443,
            tls: { alpn: ['http/1.1'], versions: ['TLSv1.2', 'TLSv1.3'], defaultSelfSigned: false },
            httpOptions: { ...httpDefaults, pristine: false, responseHeaders: [] },
          },
        ],
      },
    ],
    apps: [
      {
        name: app,
        org: 'personal',
        hostnames: ['*'],
        services: [
          {
            internalPort: server.port,
            concurrency: { type: 'requests', soft: 20, hard: null },
            checks: [],
            upstreams: [{ key: `${app}/0/local`, instance: 'local', ...server }],
          },
        ],
        instances: [{ id: 'local', host: server.host, process: null, agent: null, exporters: [] }],
        metrics: [],
      },
    ],
    certificates: [],
    metrics: { ...metrics, hosts: [], buckets: null },
    log: { access: false, file: null },
    slots: {
      workers: availableParallelism(),
      readyTimeout: 20_000,
      maxDraining: 8,
      drainTimeout: 30_000,
      websocketDrainTimeout: 300_000,
      control: null,
    },
    trustedProxies: { cidrs: [], proxyProtocol: 'off', flyClientIp: false },
    limits: defaultLimits(),
    organizations: [],
    gateway: null,
    volumes: [],
  };
}

/** What is wrong with it, else where it is. */
function serverOf(to: string): { host: string; port: number; path?: string } | string {
  const address = parseInstanceAddress(to);
  if (address !== undefined && 'path' in address) return { host: '', port: 0, path: resolve(address.path) };
  if (address === undefined || address.port === null) return 'write host:port, such as 127.0.0.1:3000';
  return { host: address.host, port: address.port };
}

const fault = (file: string, message: string): Fault => ({ file, line: 0, column: 0, message });
