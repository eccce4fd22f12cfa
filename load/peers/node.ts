/** What the two peers written for Node share: a server for HTTP and one for TLS around the same listener. */

import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { fileURLToPath } from 'node:url';
import type { Peer } from './peer.ts';

/** A peer that is a script of this directory, started with its ports and certificate as arguments. */
export function nodePeer(name: string, module: string): Peer {
  return {
    name,
    missing: () => null,
    command: ({ http, https, instance, certificate }) => {
      const ports = [http, https, instance].map(String);
      return [process.execPath, fileURLToPath(module), ...ports, certificate.cert, certificate.key];
    },
  };
}

/** In the started script: serves `listener(instance port)` on both ports. */
export function serve(listener: (instance: number) => RequestListener): void {
  const [http, https, instance, cert, key] = process.argv.slice(2);
  const handle = listener(Number(instance));
  createServer(handle).listen(Number(http), '127.0.0.1');
  createSecureServer({ cert: readFileSync(cert!), key: readFileSync(key!) }, handle).listen(Number(https), '127.0.0.1');
}
