/**
 * A certificate for hosts that have none (`default_self_signed`), in the form of RFC 5280 4.1. node:crypto makes keys
 * and signatures but no certificates; the libraries that do bring 20 packages and 5 to 9 MB for these hundred lines.
 */

import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyPair } from './certificates.ts';
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

const day = 86_400_000;
/** Longer than any process lives: it is made at start and never renewed. */
const lifetime = 3650 * day;

const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));

/** A PEM certificate and key, EC P-256, for these names (`*.x.y` allowed). Without a name it is for `localhost`. */
export function makeSelfSigned(hostnames: readonly string[]): KeyPair {
  const names = hostnames.filter((name) => name !== '*');
  if (names.length === 0) names.push('localhost');
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // RFC 5280: at most 64 characters. Clients read subjectAltName only.
  const subject = sequence(set(sequence(oid('2.5.4.3'), utf8String(names[0].length <= 64 ? names[0] : 'fly-edge'))));
  const now = Date.now();
  const body = sequence(
    explicit(0, integer(2)), // version 3
    integer(0x40 | (randomBytes(1)[0] & 0x3f), ...randomBytes(15)), // positive, of full length
    ecdsaWithSha256,
    subject,
    sequence(time(new Date(now - day)), time(new Date(now + lifetime))), // a day back for clients whose clock is late
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensions(names))),
  );
  const signature = sign('sha256', body, { key: privateKey, dsaEncoding: 'der' });
  return {
    cert: pem('CERTIFICATE', sequence(body, ecdsaWithSha256, bitString(signature))),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
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
    extension('2.5.29.17', false, sequence(...names.map((name) => der(0x82, Buffer.from(name))))), // dNSName
  ];
}

function pem(type: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${type}-----\n${lines.join('\n')}\n-----END ${type}-----\n`;
}
