/** An authority of a test's own and certificates from it, made by the openssl program. */

import { execFileSync } from 'node:child_process';
import { isIP } from 'node:net';
import { join } from 'node:path';

/** Paths of PEM files. */
export interface Certificate {
  cert: string;
  key: string;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

/** A self-signed CA in `folder`. */
export function makeAuthority(folder: string): Certificate {
  const files = { cert: join(folder, 'ca.crt'), key: join(folder, 'ca.key') };
  openssl([...newKey, '-subj', '/CN=fly-edge tests', '-addext', 'keyUsage=critical,keyCertSign'], files);
  return files;
}

const newRsaKey = ['-newkey', 'rsa:2048', '-nodes', '-days', '2'];

/** A certificate for `hostnames`, IP addresses among them, signed by the authority; its files are called `name`. */
export function issue(
  folder: string,
  authority: Certificate,
  name: string,
  hostnames: string[],
  kind: 'ec' | 'rsa' = 'ec',
): Certificate {
  const files = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  const names = hostnames.map((hostname) => `${isIP(hostname) === 0 ? 'DNS' : 'IP'}:${hostname}`).join(',');
  const leaf = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=${names}`, '-addext', 'basicConstraints=CA:FALSE'];
  openssl([...(kind === 'ec' ? newKey : newRsaKey), '-CA', authority.cert, '-CAkey', authority.key, ...leaf], files);
  return files;
}

function openssl(args: string[], { cert, key }: Certificate): void {
  execFileSync('openssl', ['req', '-x509', ...args, '-keyout', key, '-out', cert], { stdio: 'ignore' });
}
