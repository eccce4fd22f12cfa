/** A TLS server as the proxy makes its connections, in a process of its own. Settings: argv[2] as JSON. Prints its port. */

import { createServer } from 'node:net';
import { TLSSocket } from 'node:tls';
import { CertificateStore } from '../../../src/proxy/tls/certificates.ts';

const { cert, key, ticketKeys, versions } = JSON.parse(process.argv[2]);
const pair = { cert, key, hostnames: [] };
const store = new CertificateStore([pair], Buffer.from(ticketKeys, 'hex'));

const server = createServer((socket) => {
  const secureContext = store.contextFor(pair, versions);
  const secured = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] });
  secured.on('error', () => {});
  secured.on('secure', () => secured.end('served\n'));
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(address.port);
});
