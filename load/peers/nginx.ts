/** nginx with one worker, connections to the instance kept, nothing logged, nothing buffered to disk. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../processes.ts';
import type { Peer } from './peer.ts';

export const nginx: Peer = {
  name: 'nginx',
  missing: () => (findProgram('nginx') ? null : 'nginx is not installed'),
  command(site) {
    const file = join(site.directory, 'nginx.conf');
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `  ${name}_temp_path ${site.directory}/${name};`)
      .join('\n');
    writeFileSync(
      file,
      `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${site.directory}/nginx.pid;
error_log ${site.directory}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
${paths}
  keepalive_requests 100000000;
  proxy_max_temp_file_size 0;
  upstream instance {
    server 127.0.0.1:${site.instance};
    keepalive 256;
    keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:${site.http};
    listen 127.0.0.1:${site.https} ssl;
    ssl_certificate ${site.certificate.cert};
    ssl_certificate_key ${site.certificate.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {
      proxy_pass http://instance;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
    }
  }
}
`,
    );
    return [findProgram('nginx')!, '-p', site.directory, '-e', join(site.directory, 'error.log'), '-c', file];
  },
};
