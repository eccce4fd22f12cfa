import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { oid, time } from '../../src/base/der.ts';
import { makeIdentity, makeSelfSigned } from '../../src/base/self-signed.ts';
import type { AppPlan } from '../../src/config/plan.ts';
import type { KeyPair } from '../../src/proxy/tls/certificates.ts';
import { SelfSignedStore } from '../../src/proxy/tls/self-signed-store.ts';

const openssl = (args: string[], input: string): string => execFileSync('openssl', args, { input, encoding: 'utf8' });

describe('makeSelfSigned', () => {
  test('makes a certificate that node:crypto accepts', () => {
    const { cert, key } = makeSelfSigned(['demo.test', '*.demo.test']);
    const certificate = new X509Certificate(cert);
    expect(certificate.subject).toBe('CN=demo.test');
    expect(certificate.issuer).toBe(certificate.subject);
    expect(certificate.subjectAltName).toBe('DNS:demo.test, DNS:*.demo.test');
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    expect(certificate.checkHost('a.demo.test')).toBe('*.demo.test');
    expect(certificate.checkHost('other.test')).toBeUndefined();
    expect(certificate.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
    expect(certificate.validFromDate.getTime()).toBeLessThan(Date.now());
    expect(certificate.validToDate.getTime()).toBeGreaterThan(Date.now() + 3000 * 86_400_000);
  });

  test('makes one that openssl reads and verifies', () => {
    const { cert } = makeSelfSigned(['demo.test']);
    const text = openssl(['x509', '-noout', '-text'], cert);
    expect(text).toContain('Version: 3 (0x2)');
    expect(text).toContain('Signature Algorithm: ecdsa-with-SHA256');
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    const folder = mkdtempSync(join(tmpdir(), 'fly-edge-cert-'));
    const file = join(folder, 'cert.pem');
    writeFileSync(file, cert);
    expect(openssl(['verify', '-check_ss_sig', '-purpose', 'sslserver', '-CAfile', file], cert)).toBe('stdin: OK\n');
    rmSync(folder, { recursive: true });
  });

  test('names localhost without a name, and a long name in subjectAltName only', () => {
    expect(new X509Certificate(makeSelfSigned(['*']).cert).subjectAltName).toBe('DNS:localhost');
    const long = `${'a.'.repeat(40)}test`;
    const certificate = new X509Certificate(makeSelfSigned([long]).cert);
    expect([certificate.subject, certificate.subjectAltName]).toEqual(['CN=fly-edge', `DNS:${long}`]);
  });

  test('gives each certificate its own serial number and key, and holds hundreds of names', () => {
    const names = Array.from({ length: 300 }, (_, i) => `host${i}.demo.test`);
    const [a, b] = [makeSelfSigned(names), makeSelfSigned(names)].map(({ cert }) => new X509Certificate(cert));
    expect(a.serialNumber).not.toBe(b.serialNumber);
    expect(a.checkHost('host299.demo.test')).toBe('host299.demo.test');
  });
});

test('names IP addresses as such, and makes the same certificate of the same identity', () => {
  const identity = makeIdentity();
  const names = ['demo.test', '127.0.0.1', '[2001:db8::1]'];
  const { cert } = makeSelfSigned(names, identity);
  const certificate = new X509Certificate(cert);
  expect(certificate.subjectAltName).toBe('DNS:demo.test, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1');
  expect(certificate.checkIP('2001:db8::1')).toBe('2001:db8::1');
  expect(makeSelfSigned(names, identity).cert).toBe(cert);
  expect(makeSelfSigned(['other.test'], identity).cert).not.toBe(cert);
});

test('holds thousands of names: a certificate over 65,535 bytes', () => {
  const names = Array.from({ length: 4000 }, (_, i) => `host${i}.${'long'.repeat(10)}.test`);
  const certificate = new X509Certificate(makeSelfSigned(names).cert);
  expect(certificate.raw.length).toBeGreaterThan(65_535);
  expect(certificate.checkHost(names[3999]!)).toBe(names[3999]);
});

describe('SelfSignedStore', () => {
  const app = (name: string, ...hostnames: string[]) => ({ name, hostnames }) as unknown as AppPlan;
  const namesOf = ({ cert }: KeyPair) => new X509Certificate(cert as string).subjectAltName;

  test('names what was asked for alone, with the addresses of its app', () => {
    const store = new SelfSignedStore(makeIdentity());
    const demo = app('demo', 'demo.test', 'second.test', '*.wild.test', '10.0.0.1');
    expect(namesOf(store.of(demo, 'second.test'))).toBe('DNS:second.test, IP Address:10.0.0.1');
    expect(namesOf(store.of(demo, 'a.b.wild.test'))).toBe('DNS:*.wild.test, IP Address:10.0.0.1');
    expect(namesOf(store.of(demo, null))).toBe('DNS:demo.test, IP Address:10.0.0.1');
    expect(namesOf(store.of(app('any', '*'), 'stranger.test'))).toBe('DNS:localhost');
    expect(namesOf(store.of(app('none'), null))).toBe('DNS:localhost');
    expect(namesOf(store.anonymous())).toBe('DNS:localhost');
  });

  test('keeps what it made, up to a bound, and makes it again as it was', () => {
    const store = new SelfSignedStore(makeIdentity());
    const demo = app('demo', ...Array.from({ length: 300 }, (_, i) => `h${i}.test`));
    const first = store.of(demo, 'h0.test');
    expect(store.of(demo, 'h0.test')).toBe(first);
    for (const name of demo.hostnames) store.of(demo, name);
    expect(store.of(demo, 'h0.test')).not.toBe(first);
    expect(store.of(demo, 'h0.test')).toEqual(first);
  });
});

describe('DER', () => {
  test('writes object identifiers of any size', () => {
    expect(oid('1.2.840.113549').toString('hex')).toBe('06062a864886f70d');
    expect(oid('2.5.4.3').toString('hex')).toBe('0603550403');
  });
  test('writes years from 2050 as GeneralizedTime (RFC 5280 4.1.2.5)', () => {
    expect(time(new Date('2049-12-31T23:59:59Z')).toString('latin1', 2)).toBe('491231235959Z');
    expect(time(new Date('2050-01-01T00:00:00Z')).toString('latin1', 2)).toBe('20500101000000Z');
  });
});
