/** A TLS server as the proxy makes its connections, in a process of its own. Settings: argv[2] as JSON. Prints its port. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import { TLSSocket } from 'node:tls';
import { CertificateStore } from '../../../src/proxy/tls/certificates.ts';
import { parseClientHello } from '../../../src/proxy/tls/client-hello.ts';

const { cert, key, ticketKeys, versions } = JSON.parse(process.argv[2]);
const pair = { cert, key, hostnames: [] };
const store = new CertificateStore(
  [pair],
  ticketKeys.map((keys: string) => Buffer.from(keys, 'hex')),
);

const server = createServer(async (socket) => {
  // One segment on loopback.
  const [bytes] = await once(socket, 'data');
  const hello = parseClientHello(bytes, bytes.length);
  socket.pause();
  socket.unshift(bytes);
  const ticketKey = hello.state === 'hello' ? hello.ticketKey : null;
  const secureContext = store.contextFor(pair, versions, ticketKey);
  const secured = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] });
  secured.on('error', () => {});
  secured.on('secure', () => secured.end('served\n'));
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(address.port);
});
