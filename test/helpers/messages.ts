/** Messages as text, for raw sockets. */

/** A request of `demo.test`, or of another host. `more` are whole field lines. */
export function request(method = 'GET', path = '/', more = '', body = '', host = 'demo.test'): string {
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n${body}`;
}

export const get = (path = '/', more = ''): string => request('GET', path, more);

/** A POST with Content-Length. */
export const post = (body: string, more = ''): string =>
  request('POST', '/', `${more}Content-Length: ${body.length}\r\n`, body);

/** A response with Content-Length. */
export function answer(body = 'ok', more = '', status = '200 OK'): string {
  return `HTTP/1.1 ${status}\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** A field's line that every answer of the edge's own has. */
export const requestIdPattern = /[0-9A-HJKMNP-TV-Z]{26}-lab/;
