/** The edge itself: the real program, one worker, every series on. */

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { edgeProgram as program } from '../edge.ts';
import type { Peer } from './peer.ts';

export const edge: Peer = edgeOf('fly-edge', program);

/** The edge of another checkout, for one run in which two states take turns. */
export const edgeBefore = (checkout: string): Peer => edgeOf('before', join(checkout, 'src', 'cli', 'main.ts'));

function edgeOf(name: string, program: string): Peer {
  return {
    name,
    missing: () => (existsSync(program) ? null : `${program} does not exist`),
    command(site) {
      const file = join(site.directory, 'edge.toml');
      writeFileSync(
        file,
        `region = "lab"
host = "be4c"
address = "127.0.0.1"
ports = { 80 = ${site.http}, 443 = ${site.https} }
[metrics]
listen = "127.0.0.1:${site.extra}"
[slots]
workers = 1
control = "edge.sock"
[[certificates]]
cert = "${site.certificate.cert}"
key = "${site.certificate.key}"
[[apps]]
config = "fly.toml"
org = "bench"
hostnames = ["localhost"]
[[apps.instances]]
id = "148e21ea7e5068"
address = "127.0.0.1:${site.instance}"
`,
      );
      writeFileSync(
        join(site.directory, 'fly.toml'),
        `app = "bench"
[http_service]
internal_port = ${site.instance}
[http_service.concurrency]
type = "requests"
soft_limit = 1000
`,
      );
      return [process.execPath, program, 'run', '--config', file];
    },
  };
}
