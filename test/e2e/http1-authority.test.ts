import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Edge, service } from '../helpers/edge.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { request } from '../helpers/messages.ts';
import { type RawResponse, rawClient } from '../helpers/raw.ts';

/** Case, the dot of an absolute name, the scheme's port and the text of an IPv6 address make no other host. */

let edge: Edge;
let instance: HttpInstance;

beforeAll(async () => {
  instance = await HttpInstance.start(
    (request, response) => void response.end(`${request.url} ${request.headers.host}`),
  );
  const instances = [{ id: 'aa', port: instance.port }];
  const secure = { port: 443, handlers: ['tls', 'http'], more: 'tls_options = { default_self_signed = true }' };
  const fly = service() + service(secure);
  edge = await Edge.start({
    apps: [
      { name: 'demo', hostnames: ['Demo.test', 'Dotted.test.', '*.wild.test.', '127.0.0.1'], fly, instances },
      { name: 'six', hostnames: ['::1', '[2001:DB8:0:0:0:0:0:2]', '[::ffff:1.2.3.4]'], fly, instances },
      { name: 'forced', fly: service({ more: 'force_https = true' }) + service(secure), instances },
    ],
    ports: [80, 443],
  });
});
afterAll(async () => {
  await edge.stop();
  await instance.stop();
});

async function asked(target: string, host: string, servername?: string): Promise<RawResponse> {
  const client = await rawClient(
    edge.port(servername === undefined ? 80 : 443),
    servername ? { servername } : undefined,
  );
  client.send(request('GET', target, '', '', host));
  return client.response();
}

const same = ['demo.test', 'DEMO.test', 'demo.test.', 'Demo.Test.:80', 'demo.test:443', 'dotted.test', 'DOTTED.test.'];
const wild = ['a.wild.test', 'A.b.Wild.test.:80'];
const addresses = ['127.0.0.1', '127.0.0.1:80', '[::1]', '[0:0:0:0:0:0:0:1]:80', '[2001:db8::2]', '[2001:DB8:0::0:2]'];

test.each([...same, ...wild, ...addresses, '[::FFFF:1.2.3.4]', '[::ffff:102:304]'])(
  'Host: %s finds its app, and reaches the instance as it came',
  async (host) => {
    expect(await asked('/', host)).toMatchObject({ status: 200, body: `/ ${host}` });
  },
);

test.each(['.', '..', 'demo.test..', '[1:2]', '[::1', '[::1].', '[::1%lo]', '[]', '[::1]x', '.:80', 'demo.test..:80'])(
  'Host: %s is 400',
  async (host) => {
    expect((await asked('/', host)).status).toBe(400);
  },
);

describe('an absolute form fits Host when both are one authority', () => {
  test.each([
    ['http://demo.test:80/', 'demo.test'],
    ['http://demo.test/', 'demo.test:80'],
    ['http://demo.test:080/', 'demo.test'],
    ['http://DEMO.test./', 'demo.test'],
    ['http://demo.test', 'Demo.test.:80'],
    ['https://demo.test:443/', 'demo.test'],
    ['https://demo.test/', 'demo.test:443'],
    ['http://demo.test:8080/', 'demo.test:8080'],
    ['http://[0:0::1]:80/', '[::1]'],
  ])('%s with Host: %s', async (target, host) => {
    expect(await asked(target, host)).toMatchObject({ status: 200, body: `/ ${host}` });
  });

  test.each([
    ['http://demo.test:443/', 'demo.test'],
    ['https://demo.test:80/', 'demo.test'],
    ['http://demo.test/', 'demo.test:443'],
    ['http://demo.test:81/', 'demo.test'],
    ['http://dotted.test/', 'demo.test'],
    ['http://demo.test../', 'demo.test'],
    ['http://[::2]/', '[::1]'],
  ])('%s with Host: %s is 400', async (target, host) => {
    expect((await asked(target, host)).status).toBe(400);
  });
});

test('over TLS the name of the handshake and Host are compared in the same form', async () => {
  for (const host of ['demo.test', 'DEMO.TEST.:443', 'dotted.test.', '127.0.0.1']) {
    expect((await asked('/', host, 'Demo.test')).status).toBe(200);
  }
  for (const host of ['Forced.test.', 'FORCED.test:443', '[0::1]']) {
    expect((await asked('/', host, 'demo.test')).status).toBe(421);
  }
});

test('a redirect names the host as the client did', async () => {
  for (const host of ['Forced.test', 'forced.test.']) {
    expect((await asked('/a', `${host}:80`)).fields.location).toBe(`https://${host}/a`);
  }
});

test('an absolute form stands for Host in HTTP/1.0', async () => {
  const client = await rawClient(edge.port());
  client.send('GET http://DEMO.test.:80/a HTTP/1.0\r\n\r\n');
  expect(await client.response()).toMatchObject({ status: 200, body: '/a DEMO.test.:80' });
});
