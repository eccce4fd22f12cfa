/** Entry of a worker process: joins the data path to the supervisor, the logs and the health checks. */

import { flushCompileCache } from 'node:module';
import { defaultBuckets } from '../base/buckets.ts';
import type { Counts } from '../base/counts.ts';
import type { TcpHandle } from '../base/tcp-handle.ts';
import { unpack } from '../config/packed-plan.ts';
import type { Plan } from '../config/plan.ts';
import { HealthChecker } from '../health/checker.ts';
import { prober } from '../health/probe.ts';
import { incompatibility } from '../ipc/compatibility.ts';
import type { FromWorker, ToWorker } from '../ipc/messages.ts';
import { accessLog, eventLog, flushLogs, type Log, reopenLogs } from '../log/log.ts';
import { Rated } from '../log/rated.ts';
import { Recorder } from '../metrics/recorder.ts';
import type { Name } from '../resolver/name.ts';
import { Resolver } from '../resolver/resolver.ts';
import type { Permits } from './balancing/permits.ts';
import { DataPlane } from './data-plane.ts';
import type { AccessEntry, Reporter } from './reporter.ts';

type Start = Extract<ToWorker, { type: 'start' }>;

/** Counts are at most this old when a worker dies. */
const flushInterval = 250;
/** New series in one message: the supervisor, which all workers share, is not held up by a worker of a large edge. */
const seriesAtOnce = 250;
/** The channel takes the last counts at once, or never (milliseconds). */
const lastWords = 1_000;
/** A path may be as long as a head; in a line it would only make room for more of the same. */
const longestPath = 1024;
/** A name that DNS can hold is shorter (RFC 1035 2.3.4). */
const longestName = 256;

const permits: Permits = {
  lease: (key, want) => send({ type: 'lease', key, want }),
  release: (key, permits) => send({ type: 'release', key, permits }),
};

const shortened = (text: string, longest: number): string =>
  text.length > longest ? `${text.slice(0, longest)}…` : text;

class Worker {
  readonly resolver: Resolver;
  readonly #log: Log;
  readonly #rated: Rated;
  readonly #recorder: Recorder;
  readonly #proxy: DataPlane;
  readonly #checker: HealthChecker | null;
  readonly #timer: NodeJS.Timeout;
  /** The channel still has counts to deliver: what comes meanwhile goes with the next ones. */
  #sending = false;
  /** The supervisor asks for the next series once it has added up these. */
  #more = false;
  /** RequestRecord for, and answered with the last of the new series; 0: nothing is. */
  #flush = 0;
  /** Health that is yet to be told. */
  #found: [key: string, healthy: boolean][] = [];
  #connections = 0;
  #drained: Promise<void> | null = null;

  constructor({ plan: packed, colour, generation, index, ticketKeys, health, ejected }: Start) {
    const plan = unpack(packed);
    this.#log = eventLog({ slot: colour, generation, worker: index }, plan.log.file);
    this.#rated = new Rated(plan.limits.logRate, (code, app, leftOut) =>
      this.#log.warn({ code, app, leftOut }, 'lines about failed requests were left out'),
    );
    this.#recorder = new Recorder(plan.metrics.buckets ?? defaultBuckets);
    this.resolver = new Resolver(plan.resolver, {
      // Each worker looks for itself; one tells.
      report: (name) => (index === 0 ? this.#nameChanged(name) : undefined),
    });
    this.#proxy = new DataPlane(plan, this.#recorder, this.#reporter(plan.log), permits, ticketKeys, this.resolver);
    for (const [key, healthy] of health ?? []) this.#proxy.setHealth(key, healthy);
    for (const [key, address, state] of ejected ?? []) this.#proxy.setEjection(key, address, state);
    this.#checker =
      index === 0
        ? new HealthChecker(
            plan,
            health ?? [],
            ({ key, app, instance, healthy, reason }) => {
              this.#proxy.setHealth(key, healthy);
              // Many are found in one turn at the start: they are told together.
              if (this.#found.push([key, healthy]) === 1) setImmediate(() => this.#tellHealth());
              if (healthy) this.#log.info({ app, instance }, 'instance is healthy');
              else this.#log.warn({ app, instance, reason }, 'instance is unhealthy');
            },
            prober(this.resolver.lookup),
          )
        : null;
    this.#timer = setInterval(() => this.#push(), flushInterval);
    void this.#begin(health !== null);
  }

  /** @param known the health of the instances is: it need not be found out before. */
  async #begin(known: boolean): Promise<void> {
    await this.resolver.start();
    const checked = this.#drained === null ? this.#checker?.start() : undefined;
    if (!known) await checked;
    this.#tellHealth();
    send({ type: 'ready' });
  }

  #nameChanged({ host, failure, addresses }: Name): void {
    if (failure === '') this.#log.info({ name: host }, 'name resolves again');
    else
      this.#log.warn(
        { name: host, reason: failure, known: addresses.map(({ address }) => address) },
        'name does not resolve',
      );
  }

  receive(message: Exclude<ToWorker, Start>, handle: TcpHandle | undefined): void {
    const proxy = this.#proxy;
    switch (message.type) {
      case 'listen':
        if (handle !== undefined) proxy.listen(message.key, handle);
        break;
      case 'accept':
        proxy.accept();
        send({ type: 'accepting' });
        break;
      case 'flush':
        this.#flush = message.id;
        if (!this.#more) this.#sendCounts();
        break;
      case 'more':
        this.#sendCounts();
        break;
      case 'health':
        for (const [key, healthy] of message.upstreams) proxy.setHealth(key, healthy);
        break;
      case 'ejected':
        for (const [key, address, state] of message.upstreams) proxy.setEjection(key, address, state);
        break;
      case 'grant':
        proxy.grant(message.key, message.permits);
        break;
      case 'recall':
        proxy.recall(message.key, message.owed);
        break;
      case 'others':
        for (const [key, inFlight] of message.upstreams) proxy.setOthers(key, inFlight);
        break;
      case 'ticketKeys':
        proxy.setTicketKeys(message.ticketKeys);
        break;
      case 'reopenLogs':
        reopenLogs();
        break;
      case 'drain':
        this.#drain(message.timeout, message.websocketTimeout, message.handover);
        break;
    }
  }

  /** What was counted is told before it ends. */
  fatal(error: unknown): void {
    this.#rated.flush();
    this.#log.fatal({ err: error }, 'the worker failed');
    const timer = setTimeout(end, lastWords, 1);
    try {
      this.#sendLast(() => {
        clearTimeout(timer);
        end(1);
      });
    } catch {
      end(1);
    }
  }

  /** A second one only brings the deadlines nearer. */
  #drain(timeout: number, websocketTimeout: number, handover: boolean): void {
    const drained = this.#proxy.drain(timeout, websocketTimeout, handover);
    this.#checker?.stop();
    this.#drained ??= drained.then(({ cut }) => {
      clearInterval(this.#timer);
      this.#rated.flush();
      this.#sendLast();
      send({ type: 'drained', cut }, () => end(0));
    });
  }

  #reporter({ access, file }: Plan['log']): Reporter {
    const lines = access ? accessLog(file) : null;
    return {
      outcome: (key, address, failures) => send({ type: 'outcome', key, address, failures }),
      error: ({ code, status, source }, app, instance, request, detail) => {
        if (!this.#rated.allows(code, app)) return;
        this.#log.warn(
          { code, source, status, app, instance, request, detail: shortened(detail, longestName) },
          'request failed',
        );
      },
      access: lines === null ? null : (entry: AccessEntry) => lines.info(bounded(entry)),
    };
  }

  #push(): void {
    if (this.#sending || this.#more) return;
    const counts = this.#recorder.collect(seriesAtOnce);
    const inFlight = this.#proxy.inFlight();
    const connections = this.#proxy.connections();
    if (counts === null && inFlight.length === 0 && connections === this.#connections) return;
    this.#sending = true;
    this.#send(counts, inFlight, connections, () => {
      this.#sending = false;
    });
  }

  #sendCounts(): void {
    this.#send(this.#recorder.collect(seriesAtOnce), this.#proxy.inFlight(), this.#proxy.connections());
  }

  #tellHealth(): void {
    const upstreams = this.#found;
    this.#found = [];
    if (upstreams.length > 0) send({ type: 'health', upstreams });
  }

  /** All that is left to tell. */
  #sendLast(sent?: () => void): void {
    send(
      {
        type: 'counts',
        flush: this.#flush,
        counts: this.#recorder.collect(),
        inFlight: this.#proxy.inFlight(),
        connections: this.#proxy.connections(),
      },
      sent,
    );
  }

  #send(counts: Counts | null, inFlight: [string, number][], connections: number, sent?: () => void): void {
    const more = (this.#more = this.#recorder.behind);
    const flush = more ? 0 : this.#flush;
    if (!more) this.#flush = 0;
    this.#connections = connections;
    send({ type: 'counts', flush, counts, inFlight, connections, ...(more && { more }) }, sent);
  }
}

/** A line has room for what a stranger chose, escaped, within one write that is never torn (4,096 bytes). */
function bounded(entry: AccessEntry): AccessEntry {
  const { path, host, method } = entry;
  if (path.length <= longestPath && host.length <= longestName && method.length <= longestName) return entry;
  return {
    ...entry,
    path: shortened(path, longestPath),
    host: shortened(host, longestName),
    method: shortened(method, longestName),
  };
}

function send(message: FromWorker, sent: () => void = () => {}): void {
  if (process.connected) process.send!(message, undefined, {}, sent);
  else sent();
}

async function end(code: number): Promise<void> {
  const free = await flushLogs();
  // Node waits for its threads: one may ask a name server that is silent, or write where nobody reads.
  if (!free || worker?.resolver.blocked) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}

// In a checkout: for the next worker, which then strips and compiles nothing. Node itself writes it at a process's end.
flushCompileCache();

let worker: Worker | null = null;
let failed = false;

process.on('message', (message: ToWorker, handle: unknown) => {
  if (message.type !== 'start') return worker?.receive(message, handle as TcpHandle | undefined);
  const fault = incompatibility(message);
  if (fault !== null) throw new Error(fault);
  process.title = `fly-edge ${message.colour} worker ${message.index}`;
  worker = new Worker(message);
});
// The supervisor leads: Ctrl-C reaches the whole process group, and it then has each worker drain.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const) process.on(signal, () => {});
// Nothing is left to serve for: the supervisor held the sockets and the counts.
process.once('disconnect', () => end(1));
process.on('uncaughtException', (error) => {
  // What fails while it ends is the same failure.
  if (failed) return;
  if (worker === null) send({ type: 'failed', reason: error.message }, () => end(1));
  else {
    failed = true;
    worker.fatal(error);
  }
});
