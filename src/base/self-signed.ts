/**
 * A certificate for hosts that have none (`default_self_signed`), in the form of RFC 5280 4.1. node:crypto makes keys
 * and signatures but no certificates; the libraries that do bring 20 packages and 5 to 9 MB for these hundred lines.
 */

import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  bitString,
  boolean,
  der,
  explicit,
  integer,
  octetString,
  oid,
  sequence,
  set,
  time,
  utf8String,
} from './der.ts';
import { signDeterministically } from './ecdsa.ts';
import { ipBytes } from './ip.ts';

const day = 86_400_000;
/** Longer than any process lives: they are never renewed. */
const lifetime = 3650 * day;

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));

/** PEM, the certificate with its chain. */
export interface PemPair {
  cert: string;
  key: string;
}

/** What all self-signed certificates of an edge are made of: who has it makes the same ones, byte by byte. */
export interface Identity {
  /** PEM, EC P-256. */
  key: string;
  /** When it was made, as Date.now(). */
  since: number;
  /** Makes serial numbers, hex. */
  seed: string;
}

export function makeIdentity(): Identity {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { key, since: Date.now(), seed: randomBytes(16).toString('hex') };
}

/**
 * A PEM certificate and key, EC P-256, for these names: `*.x.y` allowed, IP addresses (IPv6 in brackets, as in hostnames).
 * Without a name it is for `localhost`.
 */
export function makeSelfSigned(hostnames: readonly string[], identity = makeIdentity()): PemPair {
  const names = hostnames.filter((name) => name !== '*');
  if (names.length === 0) names.push('localhost');
  const privateKey = createPrivateKey(identity.key);
  // RFC 5280: at most 64 characters. Clients read subjectAltName only.
  const subject = sequence(set(sequence(oid('2.5.4.3'), utf8String(names[0].length <= 64 ? names[0] : 'fly-edge'))));
  const serial = createHash('sha256')
    .update(`${identity.seed} ${names.join(' ')}`)
    .digest();
  const body = sequence(
    explicit(0, integer(2)), // version 3
    integer(0x40 | (serial[0] & 0x3f), ...serial.subarray(1, 16)), // positive, of full length
    ecdsaWithSha256,
    subject,
    // A day back for clients whose clock is late.
    sequence(time(new Date(identity.since - day)), time(new Date(identity.since + lifetime))),
    subject,
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensions(names))),
  );
  return {
    cert: pem('CERTIFICATE', sequence(body, ecdsaWithSha256, bitString(signDeterministically(body, privateKey)))),
    key: identity.key,
  };
}

/** RFC 5280 4.2.1. */
function extensions(names: readonly string[]): Buffer[] {
  const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
    sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value));
  return [
    extension('2.5.29.19', true, sequence()), // basicConstraints: not a CA
    extension('2.5.29.15', true, bitString(Buffer.from([0x80]), 7)), // keyUsage: digitalSignature
    extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'))), // extendedKeyUsage: serverAuth
    extension('2.5.29.17', false, sequence(...names.map(generalName))), // subjectAltName
  ];
}

/** iPAddress or dNSName (RFC 5280 4.2.1.6): clients look for an address in the first one only. */
function generalName(name: string): Buffer {
  const address = ipBytes(name.startsWith('[') ? name.slice(1, -1) : name);
  return address === null ? der(0x82, Buffer.from(name)) : der(0x87, address);
}

function pem(type: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${type}-----\n${lines.join('\n')}\n-----END ${type}-----\n`;
}
