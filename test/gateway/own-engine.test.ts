/** The engine that the gateway starts: it listens on loopback, which every web page of this machine's browser can reach. */

import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { freePorts } from '../../load/processes.ts';
import { engineAccess } from '../../src/gateway/engine-access.ts';
import { engineEnvironment, startLoneGateway } from '../helpers/lone-gateway.ts';
import { installed } from '../helpers/storage.ts';

const secrets = ['httpAuth_password', 'deleteAuthKey', 'metricsAuthKey', 'flagsAuthKey', 'pprofAuthKey'];

describe('access to it', () => {
  test('asks for secrets that are long, and new each time', () => {
    const [one, other] = [engineAccess({}), engineAccess({})];
    for (const name of secrets) {
      expect(one.env[name], name).toMatch(/^[\w-]{32}$/);
      expect(other.env[name], name).not.toBe(one.env[name]);
    }
    expect(new Set(secrets.map((name) => one.env[name])).size).toBe(secrets.length);
    expect(atob(one.authorization.slice('Basic '.length))).toBe(`fly-edge:${one.env.httpAuth_password}`);
  });

  test('is what the environment says, where it does', () => {
    const { env, authorization } = engineAccess({
      httpAuth_username: 'me',
      httpAuth_password: 'pä',
      deleteAuthKey: 'k',
    });
    expect(env).toMatchObject({ httpAuth_username: 'me', httpAuth_password: 'pä', deleteAuthKey: 'k' });
    expect(Buffer.from(authorization.slice('Basic '.length), 'base64').toString()).toBe('me:pä');
    expect(engineAccess({ httpAuth_password: '' }).env.httpAuth_password).toMatch(/^[\w-]{32}$/);
  });

  test('nothing else of the environment is read as a flag', () => {
    const outer = {
      PATH: '/bin',
      HOME: '/',
      GOMEMLIMIT: '1GiB',
      https_proxy: 'http://p',
      tls: '1',
      version: '2',
      a_b: '3',
    };
    const { env } = engineAccess(outer);
    const { tls, version, a_b, ...kept } = outer;
    expect(env).toMatchObject(kept);
    for (const name of ['tls', 'version', 'a_b']) expect(env).not.toHaveProperty(name);
  });
});

describe.skipIf(!installed('victoriaMetrics'))('a running one', () => {
  test('gives a stranger nothing, whatever the path, and the gateway everything', { timeout: 60_000 }, async () => {
    const [port] = await freePorts(1);
    const storage = `http://127.0.0.1:${port}`;
    const gateway = await startLoneGateway({ storage, organizations: ['alpha'], engine: true });
    onTestFinished(() => gateway.stop());

    const pid = gateway.running.enginePid;
    const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
    const env = engineEnvironment(gateway.running);
    for (const name of secrets) {
      expect(env[name], name).toMatch(/^[\w-]{32}$/);
      expect(words).not.toContain(env[name]);
    }

    const page = { headers: { host: 'evil.test', origin: 'http://evil.test' } };
    for (const path of [
      '/',
      '/api/v1/query?query=1',
      '/api/v1/admin/tsdb/delete_series?match[]={org="alpha"}',
      '/tags/delSeries',
      '/api/v1/export?match[]=up',
      '/api/v1/import/prometheus',
      '/api/v1/write',
      '/write',
      '/snapshot/create',
      '/internal/force_merge',
      '/metrics',
      '/flags',
      '/config',
      '/targets',
      '/debug/pprof/cmdline',
      '/debug/pprof/heap',
      '/vmui/',
      '/prometheus/api/v1/query?query=1',
    ]) {
      for (const method of ['GET', 'POST'])
        expect((await fetch(storage + path, { method, ...page })).status, path).toBe(401);
    }

    const query = `${gateway.url}/prometheus/alpha/api/v1/query?query=vector(7)`;
    const answer = await fetch(query, { headers: { authorization: gateway.token } });
    expect(await answer.json()).toMatchObject({
      status: 'success',
      data: { result: [{ value: [expect.anything(), '7'] }] },
    });
  });
});
