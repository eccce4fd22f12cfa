/** The obvious fast proxy on Node's own parts: a `node:http` server and undici's `dispatch`. */

import { Pool } from 'undici';
import { nodePeer, serve } from './node.ts';

export const undici = nodePeer('node:http+undici', import.meta.url);

if (import.meta.main) {
  serve((instance) => {
    const pool = new Pool(`http://127.0.0.1:${instance}`, { connections: 256, pipelining: 1 });
    return (request, response) => {
      const { method = 'GET', url: path = '/' } = request;
      const headers: string[] = [];
      for (let i = 0; i < request.rawHeaders.length; i += 2) {
        const name = request.rawHeaders[i]!;
        if (name.toLowerCase() !== 'connection') headers.push(name, request.rawHeaders[i + 1]!);
      }
      const secure = 'encrypted' in request.socket;
      headers.push(
        'X-Forwarded-For',
        request.socket.remoteAddress ?? '',
        'X-Forwarded-Proto',
        secure ? 'https' : 'http',
      );
      const body = method === 'GET' || method === 'HEAD' ? null : request;
      pool.dispatch(
        { path, method, headers, body },
        {
          onRequestStart(controller) {
            response.on('close', () => {
              if (!response.writableFinished) controller.abort(new Error('the client left'));
            });
            response.on('drain', () => controller.resume());
          },
          onResponseStart(_controller, status, fields) {
            delete fields.connection;
            delete fields['keep-alive'];
            response.writeHead(status, fields);
          },
          onResponseData(controller, chunk) {
            if (!response.write(chunk)) controller.pause();
          },
          onResponseEnd() {
            response.end();
          },
          onResponseError() {
            response.destroy();
          },
        },
      );
    };
  });
}
