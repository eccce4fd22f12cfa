import { MetricId } from '../metrics/catalogue.ts';
import type { Recorder } from '../metrics/recorder.ts';
import { StatusSeries } from '../metrics/status.ts';
import { type EdgeError, errors } from './errors.ts';

/** `fly_edge_*` of one app (or of `""`): indexes resolved once, so that counting is an addition. */
export class EdgeSeries {
  readonly app: string;
  readonly #recorder: Recorder;
  readonly #status: StatusSeries;
  readonly #connects: number;
  readonly #disconnects: number;
  readonly #dataIn: number;
  readonly #dataOut: number;
  readonly #handshakeErrors: number;

  constructor(recorder: Recorder, app: string) {
    this.app = app;
    this.#recorder = recorder;
    this.#status = new StatusSeries(recorder, 'edge', [app]);
    this.#connects = recorder.series(MetricId.edgeTcpConnects, [app]);
    this.#disconnects = recorder.series(MetricId.edgeTcpDisconnects, [app]);
    this.#dataIn = recorder.series(MetricId.edgeDataIn, [app]);
    this.#dataOut = recorder.series(MetricId.edgeDataOut, [app]);
    this.#handshakeErrors = recorder.series(MetricId.edgeTlsHandshakeErrors, [app, '']);
    for (const error of Object.values(errors)) {
      if (error.counted) recorder.series(MetricId.edgeErrors, [app, error.code]);
    }
  }

  responseBegun(status: number): void {
    this.#recorder.inc(this.#status.responses(status));
  }

  responseEnded(status: number, seconds: number): void {
    this.#recorder.observe(this.#status.time(status), seconds);
  }

  connected(): void {
    this.#recorder.inc(this.#connects);
  }

  disconnected(): void {
    this.#recorder.inc(this.#disconnects);
  }

  moved(bytesIn: number, bytesOut: number): void {
    this.#recorder.add(this.#dataIn, bytesIn);
    this.#recorder.add(this.#dataOut, bytesOut);
  }

  handshakeDone(version: string, seconds: number): void {
    this.#recorder.observe(this.#recorder.series(MetricId.edgeTlsHandshakeTime, [this.app, version]), seconds);
  }

  /** @param configured the server name when it is a configured hostname, else ''. */
  handshakeFailed(configured: string): void {
    const index =
      configured === ''
        ? this.#handshakeErrors
        : this.#recorder.series(MetricId.edgeTlsHandshakeErrors, [this.app, configured]);
    this.#recorder.inc(index);
  }

  failed(error: EdgeError): void {
    this.#recorder.inc(this.#recorder.series(MetricId.edgeErrors, [this.app, error.code]));
  }
}

/** `fly_app_*` of one instance. */
export class InstanceSeries {
  readonly #recorder: Recorder;
  readonly #status: StatusSeries;
  readonly #concurrency: number;
  readonly #connects: number;
  readonly #disconnects: number;
  readonly #connectTime: number;
  readonly #soft: number;
  readonly #hard: number;

  constructor(recorder: Recorder, app: string, instance: string) {
    const labels = [app, instance];
    this.#recorder = recorder;
    this.#status = new StatusSeries(recorder, 'app', labels);
    this.#concurrency = recorder.series(MetricId.appConcurrency, labels);
    this.#connects = recorder.series(MetricId.appTcpConnects, labels);
    this.#disconnects = recorder.series(MetricId.appTcpDisconnects, labels);
    this.#connectTime = recorder.series(MetricId.appConnectTime, labels);
    this.#soft = recorder.series(MetricId.appSoftLimitReached, labels);
    this.#hard = recorder.series(MetricId.appHardLimitReached, labels);
  }

  responseBegun(status: number): void {
    this.#recorder.inc(this.#status.responses(status));
  }

  responseEnded(status: number, seconds: number): void {
    this.#recorder.observe(this.#status.time(status), seconds);
  }

  connected(seconds: number): void {
    this.#recorder.inc(this.#connects);
    this.#recorder.observe(this.#connectTime, seconds);
  }

  disconnected(): void {
    this.#recorder.inc(this.#disconnects);
  }

  concurrencyChanged(by: 1 | -1): void {
    if (by === 1) this.#recorder.inc(this.#concurrency);
    else this.#recorder.dec(this.#concurrency);
  }

  softLimitReached(): void {
    this.#recorder.inc(this.#soft);
  }

  hardLimitReached(): void {
    this.#recorder.inc(this.#hard);
  }
}
