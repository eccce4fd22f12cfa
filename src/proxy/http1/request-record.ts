import { lower } from '../../base/ascii.ts';
import { Id } from '../http/message/names.ts';
import type { RequestHead } from '../http/message/request-head.ts';
import { acceptsTrailers } from '../http/message/trailers.ts';
import { joined } from '../http/message/values.ts';
import type { Route } from '../routing/route.ts';

/** What is kept of a request once its head has gone on: for its answer, its errors and its line in the access log. */
export class RequestRecord {
  route: Route | null = null;
  /** `Fly-Request-Id`. */
  id = '';
  method = '';
  minor: 0 | 1 = 1;
  /** The client would use its connection again. */
  keepAlive = false;
  /** The other protocols that it asks for (RFC 9110 7.8), as far as the app takes them; '' for none. */
  upgrade = '';
  /** It takes trailers: `TE` (RFC 9110 10.1.4). */
  trailers = false;
  /** Its body follows when it is asked for (RFC 9110 10.1.1). */
  expects = false;
  /** gRPC: both directions may be silent for as long as they like. */
  grpc = false;
  /** When its first byte came: milliseconds of `performance.now()`. */
  startedAt = 0;
  /** For the access log only. */
  host = '';
  path = '';

  reset(id: string, startedAt: number): void {
    this.route = null;
    this.id = id;
    this.method = '';
    this.minor = 1;
    this.keepAlive = false;
    this.upgrade = '';
    this.trailers = false;
    this.expects = false;
    this.grpc = false;
    this.startedAt = startedAt;
    this.host = '';
    this.path = '';
  }

  /** @param logged whether there will be a line in the access log. */
  read(head: RequestHead, logged: boolean): void {
    this.method = head.method;
    this.minor = head.minor;
    // What follows a CONNECT may be meant for its tunnel.
    this.keepAlive = head.keepAlive && head.method !== 'CONNECT';
    this.trailers = head.minor === 1 && head.has(Id.te) && acceptsTrailers(joined(head, Id.te));
    this.expects = head.expectContinue;
    this.grpc = head.has(Id.contentType) && lower(joined(head, Id.contentType)).startsWith('application/grpc');
    if (!logged) return;
    this.host = head.host;
    this.path = head.target;
  }
}
