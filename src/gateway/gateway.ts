/** The query API: an HTTP server that lets each organization ask the engine for its own series. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { GatewayPlan } from '../config/plan.ts';
import { Seldom } from '../log/seldom.ts';
import { acceptsGzip } from '../metrics/encoding.ts';
import { guard } from '../metrics/guard.ts';
import { pageRoute } from '../page/serve.ts';
import { type AuthorizationOptions, authorize } from './authorization.ts';
import { type Endpoint, type Route, route } from './endpoints.ts';
import { EngineClient } from './engine-client.ts';
import { engineQuery, type Organization, textOf } from './engine-query.ts';
import { hostsKey } from './own-server.ts';
import { type Parameters, readParameters, timeoutOf } from './parameters.ts';
import { type PlaceLimits, Places, type Release } from './places.ts';
import type { Quarantine } from './quarantine.ts';
import { type Refusal, refusal, refuse } from './refusal.ts';
import { relay } from './relay.ts';
import type { GatewaySeries } from './series.ts';
import type { Suspects, Verdict } from './suspects.ts';

/** What edge.toml says of queries. A request is answered by those that held when it came. */
export interface Settings extends Pick<AuthorizationOptions, 'authorizer' | 'trusted' | 'flyClientIp'> {
  plan: GatewayPlan;
  /** By slug. */
  organizations: ReadonlyMap<string, Organization>;
}

export interface GatewayOptions extends Pick<AuthorizationOptions, 'attempts' | 'log'> {
  quarantine: Quarantine;
  suspects: Suspects;
  series: GatewaySeries;
  /** Queries that the engine is given at once, of all organizations, where edge.toml doesn't say. */
  capacity: number;
  /** What the engine asks for; null: nothing. */
  engineAuthorization: string | null;
}

/** A request's head, and all of it. */
const headTimeout = 10_000;
const requestTimeout = 20_000;
/** How late they may be noticed. */
const connectionsCheckingInterval = 1_000;
const maxConnections = 4_096;
/** Room for a head without its parameters, such as a long list of tokens. */
const headSize = 32 * 1024;
/** A text that is logged is cut there. */
const longestShown = 200;

export class Gateway {
  /** Does not listen yet. */
  readonly server: Server = createServer({
    headersTimeout: headTimeout,
    requestTimeout,
    connectionsCheckingInterval,
    requireHostHeader: false,
  });
  readonly #options: GatewayOptions;
  #settings: Settings;
  #capacity: number;
  /** The engine's places for queries. */
  readonly #places: Places;
  readonly #client: EngineClient;
  readonly #page = pageRoute('query');
  readonly #seldom = new Seldom();

  constructor(settings: Settings, options: GatewayOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#capacity = options.capacity;
    this.#places = new Places(options.capacity);
    this.#client = new EngineClient(options.engineAuthorization);
    this.server.maxConnections = maxConnections;
    const known = {
      hosts: () => this.#settings.plan.hosts,
      key: hostsKey,
      refuse: (response: ServerResponse, status: number, text: string) => {
        response.once('close', () => options.series.answered('', status, 0));
        refuse(response, refusal(status, 'bad_data', text));
      },
    };
    guard(this.server, known, (request, response) => void this.#serve(request, response));
    this.use(settings);
  }

  /** From the next request on these hold; sizes of heads from the next connection on. */
  use(settings: Settings): void {
    this.#settings = settings;
    const { timeout, requestSize } = settings.plan.limits;
    // While the engine works, nothing moves.
    this.server.timeout = timeout + headTimeout;
    // The option of `createServer`, which Node reads again for each connection; its types know it as an option only.
    Object.assign(this.server, { maxHeaderSize: headSize + requestSize });
    this.#options.series.add(settings.organizations.keys());
    this.resize(this.#capacity);
  }

  /** @param capacity queries that the engine is given at once, where edge.toml doesn't say. */
  resize(capacity: number): void {
    this.#capacity = capacity;
    const { plan, organizations } = this.#settings;
    this.#places.resize(plan.limits.engineConcurrency ?? capacity, organizations.size > 1);
  }

  /** Takes no more requests, and leaves those that it has. */
  close(): void {
    this.server.close();
    this.server.closeAllConnections();
    this.#client.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const began = performance.now();
    const path = request.url!.split('?', 1)[0]!;
    const found = route(path);
    const org = 'org' in found ? found.org : '';
    response.once('close', () => {
      const { series } = this.#options;
      series.answered(org, response.headersSent ? response.statusCode : 499, performance.now() - began);
    });
    try {
      // Without a token: it holds no number, and asks for the token itself.
      if (this.#page(request, response)) return;
      const refused = 'org' in found ? await this.#answer(request, response, found, began) : found;
      if (refused !== null) refuse(response, refused);
    } catch (error) {
      // The client left while it still sent, mostly.
      if (!response.destroyed) this.#options.log.error({ org, error: String(error) }, 'a query could not be answered');
      refuse(response, refusal(500, 'internal', 'the query could not be answered'));
    }
  }

  /** @returns what to refuse it with; null when it has its answer. */
  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    { org, endpoint }: Route,
    began: number,
  ): Promise<Refusal | null> {
    const settings = this.#settings;
    const { limits } = settings.plan;
    if (request.method !== 'GET' && request.method !== 'POST') return notAllowed;
    const unauthorized = authorize(request, org, { ...this.#options, ...settings, seldom: this.#seldom });
    if (unauthorized !== null) return unauthorized;
    const organization = settings.organizations.get(org)!;
    const parameters = await readParameters(request, endpoint, limits.requestSize);
    if (!Array.isArray(parameters)) return parameters;
    const wanted = timeoutOf(parameters);
    if (wanted !== null && typeof wanted !== 'number') return wanted;
    const allowed = Math.min(limits.timeout, wanted ?? limits.timeout);
    const deadline = began + allowed;
    this.#options.series.running(org, 1);
    const left = () => this.#options.series.running(org, -1);
    const asked = performance.now();
    const place = await this.#place(org, limits, response, Math.min(deadline, asked + limits.queueTimeout));
    if (typeof place === 'string') {
      left();
      return place === 'full' ? tooMany(limits) : waitedTooLong;
    }
    const work: Promise<unknown>[] = [];
    try {
      const waited = performance.now() - asked;
      const timeout = Math.min(allowed, Math.ceil((allowed - waited) / 100) * 100);
      const query = { plan: settings.plan, organization, endpoint, parameters, timeout, deadline, work };
      const verdict = await this.#ask(request, response, query);
      return verdict === 'answered' ? null : this.#refusalOf(verdict, org);
    } finally {
      // Not before: what it still does, it does for this organization.
      void Promise.all(work).then(() => {
        left();
        place();
      });
    }
  }

  /** Who leaves, or has waited until then, waits no longer. */
  async #place(
    org: string,
    limits: PlaceLimits,
    response: ServerResponse,
    until: number,
  ): Promise<Release | 'full' | 'left'> {
    const waiting = new AbortController();
    const leave = () => waiting.abort();
    const timer = setTimeout(leave, Math.max(0, until - performance.now()));
    response.once('close', leave);
    const place = await this.#places.take(org, limits, waiting.signal);
    clearTimeout(timer);
    response.off('close', leave);
    return place;
  }

  #ask(request: IncomingMessage, response: ServerResponse, query: Query): Promise<Verdict> {
    const { quarantine, suspects, series, log } = this.#options;
    const { plan, organization, endpoint, parameters, timeout, deadline, work } = query;
    const { slug } = organization;
    const text = textOf(endpoint, parameters);
    const gzip = acceptsGzip(request.headers['accept-encoding']);
    const sent = engineQuery(plan.storage, organization, endpoint, parameters, timeout, gzip);
    return suspects.run({
      deadline,
      condemned: () => quarantine.barred(slug) > 0 || quarantine.has(slug, text),
      condemn: () => {
        quarantine.condemn(slug, text);
        series.condemned(slug);
        log.error({ org: slug, query: text.slice(0, longestShown) }, 'a query ends the engine: refused from now on');
      },
      send: (head) => {
        const sending = this.#client.send(sent, deadline, (message) => {
          head();
          return relay(message, response, plan.limits.responseSize);
        });
        work.push(sending.done);
        return sending;
      },
    });
  }

  #refusalOf(verdict: Exclude<Verdict, 'answered'>, org: string): Refusal {
    switch (verdict) {
      case 'refused':
        return refusal(502, 'unavailable', 'the storage tier cannot be reached: try again');
      case 'late':
        return refusal(503, 'timeout', 'the query took too long: ask for less, or for a shorter time');
      case 'guilty': {
        const barred = Math.ceil(this.#options.quarantine.barred(org) / 1000);
        if (barred === 0) return refusal(422, 'execution', 'this query ends the storage engine: write it otherwise');
        const error = `too many queries that end the storage engine: ask again in ${barred} seconds`;
        return refusal(429, 'execution', error, { 'Retry-After': String(barred) });
      }
    }
  }
}

interface Query {
  plan: GatewayPlan;
  organization: Organization;
  endpoint: Endpoint;
  parameters: Parameters;
  /** Milliseconds. */
  timeout: number;
  deadline: number;
  /** Settled when the engine is done with it; a query may be sent several times. */
  work: Promise<unknown>[];
}

const notAllowed = refusal(405, 'bad_data', 'use GET or POST', { Allow: 'GET, POST' });

const tooMany = ({ concurrency, queue }: PlaceLimits): Refusal => {
  const error = `${queue} queries of this organization wait already, and up to ${concurrency} run: try again`;
  return refusal(429, 'unavailable', error, { 'Retry-After': '1' });
};

const waitedTooLong = refusal(503, 'timeout', 'too many other queries of this organization run: try again', {
  'Retry-After': '1',
});
