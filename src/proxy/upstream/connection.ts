import { performance } from 'node:perf_hooks';
import type { Name } from '../../resolver/name.ts';
import { type EdgeError, errors } from '../errors.ts';
import { clock, sweepInterval } from '../transport/clock.ts';
import { mostForInstances } from '../transport/descriptors.ts';
import type { Sweep, Timed } from '../transport/sweep.ts';
import { type SocketOwner, TcpSocket } from '../transport/tcp-socket.ts';
import type { Upstream } from './upstream.ts';

/** Who uses a connection to an instance at the moment: an HTTP exchange or a tunnel. */
export interface UpstreamEvents {
  /** The connection is made; may write. */
  upstreamConnected(): void;
  /** See `SocketOwner.onBytes`. */
  upstreamBytes(buffer: Buffer, start: number, end: number): boolean;
  upstreamEnded(): void;
  upstreamDrained(): void;
  /** It closed. `error` is null after an orderly end. */
  upstreamClosed(error: EdgeError | null, detail: string): void;
  /** The deadline that the user has set passed. */
  upstreamExpired(): void;
}

const State = {
  connecting: 'connecting',
  busy: 'busy',
  /** In the pool. */
  idle: 'idle',
  /** Its last answer has come whole: the instance is to close it. */
  leaving: 'leaving',
  closed: 'closed',
} as const;
type State = (typeof State)[keyof typeof State];

/** After so long, an address that does not answer leaves the rest of the time to the next one (RFC 8305 8). */
const attemptTimeout = 250;

/** Milliseconds until an instance whose backlog is full is asked again. */
const backlogPause = 20;

/** An instance may take so long to close what it is done with, by the sweep's clock: a second at most. */
const lingerTime = 1_000 - sweepInterval;

/**
 * One connection to an instance. Who closes first keeps the port in TIME_WAIT for a minute (RFC 9293 3.6), and a port is all that
 * tells the connections to one instance apart: the instance closes first, or is sent RST, which leaves nothing behind.
 */
export class UpstreamConnection implements SocketOwner, Timed {
  readonly upstream: Upstream;
  /** Another one once it is connected. */
  socket: TcpSocket;
  /** It has carried a request before: the instance may close it at any time (RFC 9112 9.3.1). */
  reused = false;
  deadline: number;
  place = -1;
  /** In `clock` milliseconds; the pool's own. */
  parkedAt = 0;
  /** The address that is, or was last, tried, where the instance has a name. */
  address = '';
  #user: UpstreamEvents | null;
  #state: State = State.connecting;
  readonly #sweep: Sweep;
  readonly #startedAt = performance.now();

  constructor(upstream: Upstream, user: UpstreamEvents, sweep: Sweep, connectTimeout: number) {
    this.upstream = upstream;
    this.#user = user;
    this.#sweep = sweep;
    this.deadline = clock.now + connectTimeout;
    sweep.add(this);
    this.socket = this.#open();
  }

  #open(): TcpSocket {
    const socket = new TcpSocket(null);
    socket.owner = this;
    socket.readsOn = true;
    socket.on('connect', onConnect);
    const { host, port, path, name } = this.upstream;
    if (path !== undefined) socket.connect({ path });
    else {
      socket.setNoDelay(true);
      if (name === null) socket.connect(port, host);
      else this.#connectByName(socket, name);
    }
    const { tcpHandle } = socket;
    if (tcpHandle !== null && tcpHandle.fd >= mostForInstances) socket.destroy(outOfDescriptors());
    return socket;
  }

  /** Its addresses are there already. One after the other is tried (RFC 8305 5). */
  #connectByName(socket: TcpSocket, name: Name): void {
    const { host, port } = this.upstream;
    const { addresses } = name;
    if (addresses.length === 1) {
      this.address = addresses[0]!.address;
      socket.connect(port, this.address);
      return;
    }
    socket.on('connectionAttempt', onAttempt);
    socket.on('connectionAttemptFailed', onAttemptFailed);
    socket.on('connectionAttemptTimeout', onAttemptFailed);
    socket.connect({ port, host, lookup: name.lookup, autoSelectFamilyAttemptTimeout: attemptTimeout });
  }

  /** The instance's backlog was full. TCP tries again by itself, a unix socket says so at once (connect(2), EAGAIN). */
  #openAgain(): void {
    if (this.#user !== null) this.socket = this.#open();
    else this.#sweep.remove(this);
  }

  /** The name of the instance is elsewhere now. */
  get left(): boolean {
    return this.upstream.name !== null && !this.upstream.name.has(this.address);
  }

  onConnected(): void {
    if (this.#state !== State.connecting) return;
    this.upstream.series.connected((performance.now() - this.#startedAt) / 1000);
    this.#state = State.busy;
    this.deadline = Number.POSITIVE_INFINITY;
    this.#user?.upstreamConnected();
  }

  /** Takes an idle connection into use. */
  take(user: UpstreamEvents): void {
    if (this.#state !== State.idle) throw new Error(`upstream connection taken while ${this.#state}`);
    this.#state = State.busy;
    this.reused = true;
    this.deadline = Number.POSITIVE_INFINITY;
    this.#user = user;
  }

  /** Another user takes over in the middle: an exchange that became a tunnel. */
  use(user: UpstreamEvents): void {
    this.#user = user;
  }

  /** An answer has come whole: back to the pool of its instance, when the pool has room. */
  park(poolSize: number, idleTimeout: number): void {
    this.#user = null;
    const sound = this.#state === State.busy && this.socket.failure === null && !this.left;
    if (!sound || !this.upstream.pool.park(this, poolSize)) {
      this.destroy();
      return;
    }
    this.#state = State.idle;
    this.deadline = clock.now + idleTimeout;
  }

  /** Its last answer has come whole, and says so or was asked to: the instance closes. */
  leave(): void {
    this.#user = null;
    if (this.#state !== State.busy || this.socket.failure !== null || this.socket.readableEnded) {
      this.destroy();
      return;
    }
    this.#state = State.leaving;
    this.deadline = clock.now + lingerTime;
  }

  /** Closes at once, without telling the user any more. */
  destroy(): void {
    this.#user = null;
    if (this.#state === State.idle) this.#leavePool();
    if (this.#state === State.connecting || this.socket.readableEnded) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  onBytes(buffer: Buffer, start: number, end: number): boolean {
    const user = this.#user;
    if (user !== null) return user.upstreamBytes(buffer, start, end);
    // Bytes nobody asked for: another reader could take them for the next answer (RFC 9112 6.3).
    this.destroy();
    return false;
  }

  onEnd(): void {
    // After a failed write the end is that of a broken connection: what ends with it must not look complete.
    if (this.socket.failure !== null) this.socket.destroy(this.socket.failure);
    else if (this.#user !== null) this.#user.upstreamEnded();
    else this.destroy();
  }

  onDrain(): void {
    this.#user?.upstreamDrained();
  }

  onClose(failure: Error | null): void {
    const was = this.#state;
    const cause = failure instanceof AggregateError ? lastCause(failure) : failure;
    const detail = (cause as NodeJS.ErrnoException | null)?.code ?? cause?.message ?? '';
    if (was === State.connecting && detail === 'EAGAIN' && this.#user !== null) {
      setTimeout(() => this.#openAgain(), backlogPause);
      return;
    }
    if (was === State.idle) this.#leavePool();
    this.#state = State.closed;
    this.#sweep.remove(this);
    if (was !== State.connecting) this.upstream.series.disconnected();
    const user = this.#user;
    this.#user = null;
    if (user === null) return;
    if (was === State.connecting) user.upstreamClosed(connectError(detail), detail);
    else user.upstreamClosed(failure === null ? null : errors.instanceClosed, detail);
  }

  expire(): void {
    const user = this.#user;
    if (this.#state === State.connecting) {
      this.upstream.name?.avoid(this.address);
      this.#user = null;
      this.socket.destroy();
      this.deadline = Number.POSITIVE_INFINITY;
      user?.upstreamClosed(errors.connectTimeout, 'connect timed out');
    } else if (user !== null) {
      this.deadline = Number.POSITIVE_INFINITY;
      user.upstreamExpired();
    } else {
      this.destroy();
      this.deadline = Number.POSITIVE_INFINITY;
    }
  }

  sample(): void {}

  #leavePool(): void {
    this.upstream.pool.remove(this);
    this.#state = State.busy;
  }
}

function onConnect(this: TcpSocket): void {
  (this.owner as UpstreamConnection).onConnected();
}

function onAttempt(this: TcpSocket, address: string): void {
  (this.owner as UpstreamConnection).address = address;
}
function onAttemptFailed(this: TcpSocket, address: string): void {
  (this.owner as UpstreamConnection).upstream.name!.avoid(address);
}

const outOfDescriptors = (): Error => Object.assign(new Error('no descriptor is left'), { code: 'EMFILE' });

const exhaustion = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM']);

/** The failure of several addresses that counts: one that the instance is to blame for, else any. A machine without IPv6 has no address to connect to one from. */
const lastCause = ({ errors }: AggregateError): Error => errors.find(({ code }) => !exhaustion.has(code)) ?? errors[0];

/** Our own lack of descriptors or ports is not the instance's fault, and another instance would not help. */
function connectError(detail: string): EdgeError {
  return exhaustion.has(detail) ? errors.exhausted : errors.connect;
}
