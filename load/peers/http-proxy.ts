/** http-proxy-3, the usual proxy library of Node, with kept connections. */

import { Agent } from 'node:http';
import { createProxyServer } from 'http-proxy-3';
import { nodePeer, serve } from './node.ts';

export const httpProxy = nodePeer('http-proxy-3', import.meta.url);

if (import.meta.main) {
  serve((instance) => {
    const agent = new Agent({ keepAlive: true, maxFreeSockets: 256 });
    const proxy = createProxyServer({ target: `http://127.0.0.1:${instance}`, agent, xfwd: true });
    proxy.on('error', (_error, _request, response) => response?.destroy());
    return (request, response) => proxy.web(request, response);
  });
}
