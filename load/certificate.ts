/** A self-signed ECDSA P-256 certificate for the hostnames of a run, in files. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeSelfSigned } from '../src/base/self-signed.ts';

export interface Certificate {
  cert: string;
  key: string;
  /** Both in one file, as HAProxy wants it. */
  pem: string;
}

/** Writes the files into `directory` and returns their paths. */
export function makeCertificate(directory: string, hostnames: string[]): Certificate {
  const pair = makeSelfSigned(hostnames);
  const write = (name: string, content: string) => {
    const path = join(directory, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  return {
    cert: write('run.crt', pair.cert.toString()),
    key: write('run.key', pair.key.toString()),
    pem: write('run.pem', `${pair.cert}${pair.key}`),
  };
}
