import type { AppPlan, PortPlan } from '../../config/plan.ts';
import type { Balancer } from '../balancing/balancer.ts';
import { flat } from '../flat.ts';
import type { EdgeSeries } from '../series.ts';

/** An app as the data path sees it. */
export interface App {
  readonly plan: AppPlan;
  readonly series: EdgeSeries;
  readonly balancers: Balancer[];
}

/** One app on one port: where a connection or a request goes once its app is known. */
export interface Route {
  readonly app: App;
  readonly balancer: Balancer;
  readonly port: PortPlan;
  /** `Via`, `Server`, what fly.toml sets, and `Fly-Request-Id: `, unless `pristine`: appended to each answer's fields. */
  readonly responseSuffix: string;
  /** Names in lower case that answers lose: fly.toml's changes, `server`. */
  readonly responseDrops: ReadonlySet<string>;
}

export const product = 'fly-edge';
export const via = '1.1 fly-edge';
/** The version is the one that the message came in (RFC 9110 7.6.3). */
export const viaLine = `Via: ${via}\r\n`;
export const oldViaLine = 'Via: 1.0 fly-edge\r\n';

export function makeRoute(app: App, balancer: Balancer, port: PortPlan): Route {
  const { pristine, responseHeaders } = port.httpOptions;
  const drops = new Set<string>();
  let suffix = pristine ? '' : `Via: ${via}\r\nServer: ${product}\r\n`;
  for (const { lower, name, values } of responseHeaders) {
    drops.add(lower);
    if (lower === 'server' || lower === 'via') suffix = suffix.replace(new RegExp(`^${lower}:[^\\n]*\\n`, 'im'), '');
    for (const value of values ?? []) suffix += `${name}: ${value}\r\n`;
  }
  if (!pristine) suffix += 'Fly-Request-Id: ';
  return { app, balancer, port, responseSuffix: flat(suffix), responseDrops: drops };
}
