import { STATUS_CODES } from 'node:http';
import type { EdgeError } from '../errors.ts';
import { product, type Route, via } from '../routing/route.ts';
import { dateField } from './date.ts';

/** TRACE is the instances' alone: the edge reflects no request (RFC 9110 9.3.8 names the fields that must not be). */
const allow = 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n';

/** Fields that the status asks for. */
function extraFields(error: EdgeError): string {
  switch (error.status) {
    case 405:
      return allow;
    case 503:
      return 'Retry-After: 1\r\n';
    default:
      return '';
  }
}

/** What our own answers say of us; `response.pristine` holds for them too. */
function ownFields(route: Route | null, requestId: string): string {
  if (route?.port.httpOptions.pristine) return '';
  return `Via: ${via}\r\nServer: ${product}\r\nFly-Request-Id: ${requestId}\r\n`;
}

/**
 * The edge's own answer to a request: one plain line with the code and the request's id.
 * @param connection `Connection` field with its CRLF, or ''. @param noBody the request was HEAD.
 */
export function errorAnswer(
  error: EdgeError,
  route: Route | null,
  requestId: string,
  connection: string,
  noBody: boolean,
): string {
  const body = `${error.code}: ${error.message} (${requestId})\n`;
  return (
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${dateField()}Content-Type: text/plain\r\n` +
    `Content-Length: ${body.length}\r\n${extraFields(error)}${ownFields(route, requestId)}${connection}\r\n` +
    (noBody ? '' : body)
  );
}

/** `force_https`: 301 to the same host and target. */
export function redirectAnswer(location: string, route: Route, requestId: string, connection: string): string {
  return (
    `HTTP/1.1 301 Moved Permanently\r\n${dateField()}Location: ${location}\r\nContent-Length: 0\r\n` +
    `${ownFields(route, requestId)}${connection}\r\n`
  );
}

/** OPTIONS that may go no further (RFC 9110 7.6.2). */
export function optionsAnswer(route: Route, requestId: string, connection: string): string {
  return (
    `HTTP/1.1 200 OK\r\n${dateField()}${allow}Content-Length: 0\r\n` + `${ownFields(route, requestId)}${connection}\r\n`
  );
}
