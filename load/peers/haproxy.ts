/** HAProxy with one thread, connections to the instance shared by all clients, nothing logged. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../processes.ts';
import type { Peer } from './peer.ts';

export const haproxy: Peer = {
  name: 'haproxy',
  missing: () => (findProgram('haproxy') ? null : 'haproxy is not installed'),
  command(site) {
    const file = join(site.directory, 'haproxy.cfg');
    writeFileSync(
      file,
      `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
  http-reuse always
frontend edge
  bind 127.0.0.1:${site.http}
  bind 127.0.0.1:${site.https} ssl crt ${site.certificate.pem} ssl-min-ver TLSv1.2
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  default_backend instance
backend instance
  server instance 127.0.0.1:${site.instance}
`,
    );
    return [findProgram('haproxy')!, '-db', '-q', '-f', file];
  },
};
