import { connect, isIPv6, type LookupFunction } from 'node:net';
import type { CheckPlan, UpstreamPlan } from '../config/plan.ts';

/** One try of a check: null when it passed, else why not, in a few words. */
export type Probe = (check: CheckPlan, upstream: UpstreamPlan) => Promise<string | null>;

/** Probes that go over the network. @param lookup of host names, as the traffic's. */
export const prober =
  (lookup: LookupFunction): Probe =>
  (check, upstream) =>
    check.type === 'tcp' ? tcp(check, upstream, lookup) : http(check, upstream, lookup);

/** Passes when the connection is made. */
function tcp({ timeout }: CheckPlan, { host, port }: UpstreamPlan, lookup: LookupFunction): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, lookup });
    const end = (result: string | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end(`no connection within ${timeout} ms`), timeout);
    socket.once('connect', () => end(null));
    socket.once('error', (error) => end(reason(error)));
  });
}

/** Passes on 2xx. A redirect is none: it says nothing of the instance. */
async function http(
  check: CheckPlan & { type: 'http' },
  upstream: UpstreamPlan,
  lookup: LookupFunction,
): Promise<string | null> {
  const { timeout, protocol, path, method } = check;
  const authority = isIPv6(upstream.host) ? `[${upstream.host}]:${upstream.port}` : `${upstream.host}:${upstream.port}`;
  // A quarter of a second to load: only the worker that checks over HTTP has it.
  const { Agent, request } = await import('undici');
  // A connection for each check (pipelining 0): a kept one would not notice that the instance accepts no more.
  const dispatcher = new Agent({
    pipelining: 0,
    connect: {
      timeout,
      lookup,
      rejectUnauthorized: !check.tlsSkipVerify,
      ...(check.tlsServerName === null ? {} : { servername: check.tlsServerName }),
    },
  });
  try {
    const { statusCode } = await request(`${protocol}://${authority}${path}`, {
      method: method as 'GET',
      headers: check.headers.flat(),
      signal: AbortSignal.timeout(timeout),
      dispatcher,
    });
    return statusCode >= 200 && statusCode < 300 ? null : `status ${statusCode}`;
  } catch (error) {
    const late =
      (error as Error).name === 'TimeoutError' || (error as { code?: string }).code === 'UND_ERR_CONNECT_TIMEOUT';
    return late ? `no answer within ${timeout} ms` : reason(error);
  } finally {
    void dispatcher.destroy();
  }
}

const reason = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? (error as Error).message;
