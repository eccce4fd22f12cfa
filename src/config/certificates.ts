import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { normalAddress } from '../base/ip.ts';
import type { EdgeFile } from './edge-file.ts';
import { parseHostname } from './fields.ts';
import type { CertificatePlan } from './plan.ts';
import { reasonOf } from './reason.ts';
import type { Path, TomlFile } from './toml.ts';

type Row = EdgeFile['certificates'][number];

/** Every certificate with its key, each checked to be whole and to fit. Paths are relative to `folder`. */
export async function certificatesOf(rows: Row[], folder: string, toml: TomlFile): Promise<CertificatePlan[]> {
  const plans: CertificatePlan[] = [];
  for (const [i, row] of rows.entries()) {
    const plan = await certificateOf(row, ['certificates', i], folder, toml);
    if (plan === null) continue;
    if (plan.default && plans.some((other) => other.default && sameKind(other, plan))) {
      toml.fail(['certificates', i, 'default'], 'an earlier certificate is the default one already: write it once');
    }
    for (const name of plan.hostnames) {
      if (!plans.some((other) => other.hostnames.includes(name) && sameKind(other, plan))) continue;
      const message = `${row.cert} is for ${name}, as an earlier certificate is: the earlier one is used for it`;
      toml.warn(['certificates', i, 'cert'], message);
    }
    plans.push(plan);
  }
  return plans;
}

async function certificateOf(row: Row, at: Path, folder: string, toml: TomlFile): Promise<CertificatePlan | null> {
  const fault = (key: 'cert' | 'key', message: string): null => {
    toml.fail([...at, key], message);
    return null;
  };
  const read = async (key: 'cert' | 'key'): Promise<string | null> => {
    try {
      return await readFile(resolve(folder, row[key]), 'utf8');
    } catch (error) {
      return fault(key, `${row[key]} can't be read (${reasonOf(error)}): write the path of a PEM file`);
    }
  };
  const [cert, key] = [await read('cert'), await read('key')];
  const certificate = cert === null ? null : parseCertificate(cert);
  if (cert !== null && certificate === null)
    fault('cert', `${row.cert} is no certificate: write the path of a PEM file`);
  const privateKey = key === null ? null : parseKey(key);
  if (key !== null && privateKey === null) {
    fault('key', `${row.key} is no private key: write the path of a PEM file without a passphrase`);
  }
  if (certificate === null || cert === null) return null;

  const hostnames = hostnamesOf(certificate);
  const addresses = addressesOf(certificate);
  const nobody = hostnames.length === 0 && addresses.length === 0;
  if (nobody) fault('cert', `${row.cert} has no host names: use a certificate with DNS names or IP addresses`);
  warnOfDates(certificate, row.cert, [...at, 'cert'], toml);
  if (privateKey === null || key === null) return null;
  if (!certificate.checkPrivateKey(privateKey)) {
    return fault('key', `${row.key} doesn't fit ${row.cert}: write the key that the certificate was made with`);
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    return fault('cert', `${row.cert} can't be used (${reasonOf(error)}): write the path of another certificate`);
  }
  if (nobody) return null;
  return {
    cert,
    key,
    hostnames,
    ...(addresses.length > 0 && { addresses }),
    ...(row.default && { default: true }),
  };
}

function parseCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

function parseKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
}

/** DNS names of subjectAltName; the subject's CN only when there is no such extension (RFC 6125 6.4.4). */
function hostnamesOf({ subjectAltName, subject }: X509Certificate): string[] {
  const names =
    subjectAltName === undefined
      ? [...(subject ?? '').matchAll(/^CN=(.+)$/gm)].map(([, name]) => name!)
      : subjectAltName.split(', ').flatMap((entry) => (entry.startsWith('DNS:') ? [entry.slice(4)] : []));
  const parsed = names.map(parseHostname);
  return [...new Set(parsed.filter((name) => name !== undefined && name !== '*'))] as string[];
}

/** In the form of a socket's local address. */
function addressesOf({ subjectAltName }: X509Certificate): string[] {
  const listed = subjectAltName
    ?.split(', ')
    .flatMap((entry) => (entry.startsWith('IP Address:') ? [entry.slice(11)] : []));
  return [...new Set((listed ?? []).flatMap((address) => normalAddress(address) ?? []))];
}

/** A client can't choose between two with keys of one kind. */
const sameKind = (a: CertificatePlan, b: CertificatePlan): boolean =>
  createPrivateKey(a.key).asymmetricKeyType === createPrivateKey(b.key).asymmetricKeyType;

function warnOfDates(certificate: X509Certificate, file: string, at: Path, toml: TomlFile): void {
  const now = Date.now();
  const [from, to] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)];
  const day = (time: number): string => new Date(time).toISOString().slice(0, 10);
  if (to < now) {
    toml.warn(at, `${file} expired on ${day(to)}: clients will refuse it, renew it`);
  } else if (from > now) {
    toml.warn(at, `${file} is not valid before ${day(from)}: clients will refuse it`);
  }
}

/** A wildcard certificate stands for exactly one label (RFC 6125 6.4.3). */
export function covers(certificate: CertificatePlan, hostname: string): boolean {
  const wildcard = `*${hostname.slice(hostname.indexOf('.'))}`;
  return certificate.hostnames.some((name) => name === hostname || (hostname.includes('.') && name === wildcard));
}
