import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { until } from '../helpers/until.ts';
import { raw, testGateway } from './helpers.ts';

const base = '/prometheus/alpha/api/v1';
const filter = ['extra_filters[]', '{org="alpha"}'];

test('the engine gets a request of our own making', async () => {
  const gateway = await testGateway();
  const headers = { cookie: 'a=b', 'x-forwarded-for': '1.2.3.4', 'x-evil': '1', accept: 'x/y', 'user-agent': 'me' };
  await gateway.get(`${base}/query?query=up%20%2B+1&time=12.5`, headers);
  await gateway.post(`${base}/query_range?start=1&end=2`, 'query=%7Bx%3D%22%26%22%7D&step=15s', headers);
  const [query, range] = gateway.asked;
  expect(query).toMatchObject({ method: 'POST', url: '/api/v1/query' });
  expect(query!.form).toEqual([['query', 'up + 1'], ['time', '12.5'], ['timeout', '5000ms'], filter]);
  expect(range!.url).toBe('/api/v1/query_range');
  expect(range!.form).toEqual([
    ['start', '1'],
    ['end', '2'],
    ['query', '{x="&"}'],
    ['step', '15s'],
    ['timeout', '5000ms'],
    filter,
  ]);
  for (const { headers } of gateway.asked) {
    expect(Object.keys(headers).sort()).toEqual([
      'accept-encoding',
      'connection',
      'content-length',
      'content-type',
      'host',
    ]);
    expect(headers['accept-encoding']).toBe('identity');
  }
});

test.each([
  ['api/v1/series', '/api/v1/series', 'match[]=a&match[]=b&start=-1h'],
  ['api/v1/labels', '/api/v1/labels', ''],
  ['api/v1/label/__name__/values', '/api/v1/label/__name__/values', 'match%5B%5D=up'],
  ['api/v1/status/tsdb', '/api/v1/status/tsdb', 'topN=5&date=2030-01-01&focusLabel=app'],
  ['federate', '/federate', 'match[]=up'],
])('%s is passed on', async (path, url, parameters) => {
  const gateway = await testGateway();
  expect((await gateway.get(`/prometheus/alpha/${path}?${parameters}`)).status).toBe(200);
  expect((await gateway.post(`/prometheus/alpha/${path}`, parameters)).status).toBe(200);
  const expected = [...new URLSearchParams(parameters), ['timeout', '5000ms'], filter];
  expect(gateway.asked.map((asked) => [asked.method, asked.url, asked.form])).toEqual(
    Array(2).fill(['POST', url, expected]),
  );
});

test.each([
  '/prometheus/alpha//api/v1',
  '//prometheus/alpha/api/v1',
  '/prometheus//alpha/api/v1',
  '//prometheus//alpha//api/v1',
])('a base URL that ends in a slash: %s', async (path) => {
  const gateway = await testGateway();
  expect((await gateway.get(`${path}/query?query=up`)).status).toBe(200);
  expect((await gateway.post(`${path}/label/app/values`, '')).status).toBe(200);
  expect(gateway.asked.map(({ url }) => url)).toEqual(['/api/v1/query', '/api/v1/label/app/values']);
  // It stands for its organization, and for nothing else.
  expect((await gateway.get(`${path}/query?query=up`, { authorization: 'Bearer beta' })).status).toBe(403);
  for (const other of [path.replace('//', '///'), path.replace('//', '/./'), path.replace('//', '/%2f')])
    expect((await gateway.get(`${other}/query?query=up`)).status).toBe(404);
});

test('in a cluster the tenant is the restriction', async () => {
  const gateway = await testGateway({ path: '/select/{tenant}/prometheus/' });
  await gateway.get(`${base}/query?query=up`);
  await gateway.get('/prometheus/beta/federate?match[]=up', { authorization: 'Bearer beta' });
  expect(gateway.asked.map(({ url, form }) => [url, form.map(([name]) => name)])).toEqual([
    ['/select/7/prometheus/api/v1/query', ['query', 'timeout']],
    ['/select/8/prometheus/federate', ['match[]', 'timeout']],
  ]);
});

test('the live page is for everybody, and asks the engine for nothing', async () => {
  const gateway = await testGateway({ attempts: { allowed: () => false, failed: () => {} } });
  const page = await gateway.get('/', { authorization: '' });
  expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
  expect((await gateway.get('/page/page.css', { authorization: '' })).status).toBe(200);
  expect((await gateway.get('/page/nothing')).status).toBe(404);
  expect((await gateway.post('/', 'a=b')).status).toBe(405);
  expect(gateway.asked).toEqual([]);
  expect(await gateway.register.metrics()).toContain('fly_gateway_requests_count{org="",status="200"} 2\n');
});

/** 27 times: victoria-metrics 1.79 is killed for its memory a minute later, whatever the query's timeout. */
const doubling = `WITH (a0 = up, ${Array.from({ length: 27 }, (_, i) => `a${i + 1} = a${i} + a${i}`).join(', ')}) a27`;

describe('refused without a word to the engine', () => {
  const form = 'application/x-www-form-urlencoded';
  test.each<
    [why: string, method: 'get' | 'post', path: string, body: string, status: number, headers?: Record<string, string>]
  >([
    ['no path', 'get', '//', '', 404],
    ['the series of the gateway itself', 'get', '/metrics', '', 404],
    ['an endpoint of the engine', 'get', '/api/v1/query?query=up', '', 404],
    ['an unknown endpoint', 'get', `${base}/rules`, '', 404],
    ['writing', 'post', `${base}/write`, '', 404],
    ['importing', 'post', `${base}/import`, '', 404],
    ['export', 'get', `${base}/export?match[]=up`, '', 404],
    ['deletion', 'post', `${base}/admin/tsdb/delete_series`, '', 404],
    ['remote read', 'post', `${base}/read`, '', 501],
    ['a trailing slash', 'get', `${base}/query/?query=up`, '', 404],
    ['a doubled slash', 'get', `${base}//query?query=up`, '', 404],
    ['an escaped letter', 'get', `${base}/%71uery?query=up`, '', 404],
    ['an escaped slash', 'get', `${base}%2Fquery?query=up`, '', 404],
    ['a label that is none', 'get', `${base}/label/a-b/values`, '', 404],
    ['an escaped label', 'get', `${base}/label/%2e%2e/values`, '', 404],
    ['an unknown parameter', 'get', `${base}/query?query=up&x=1`, '', 400],
    ['a parameter of another endpoint', 'get', `${base}/query?query=up&match[]=up`, '', 400],
    ['a filter', 'get', `${base}/query?query=up&extra_filters[]={}`, '', 400],
    ['a filter in the form', 'post', `${base}/query`, 'query=up&extra_filters%5B%5D=%7B%7D', 400],
    ['a parameter of Object', 'get', `${base}/query?query=up&constructor=1`, '', 400],
    ['a parameter twice', 'get', `${base}/query?query=up&query=up`, '', 400],
    ['a parameter in both places', 'post', `${base}/query?query=up`, 'query=up', 400],
    ['a parameter without value', 'get', `${base}/query?query`, '', 400],
    ['an empty query', 'get', `${base}/query?query=`, '', 400],
    ['a semicolon', 'get', `${base}/query?query=up;extra_filters[]={}`, '', 400],
    ['an escape that is none', 'get', `${base}/query?query=%zz`, '', 400],
    ['an escape that is not UTF-8', 'get', `${base}/query?query=%ff`, '', 400],
    ['a form that is not UTF-8', 'post', `${base}/query`, Buffer.from([0x71, 0x3d, 0xff]).toString('latin1'), 400],
    ['a time that is none', 'get', `${base}/query?query=up&time=%26`, '', 400],
    ['a step that is none', 'get', `${base}/query_range?query=up&step=1%201`, '', 400],
    ['a timeout that is none', 'get', `${base}/query?query=up&timeout=1x`, '', 400],
    ['a hundred and one selectors', 'get', `${base}/series?${'match[]=a&'.repeat(101)}`, '', 400],
    ['multipart', 'post', `${base}/query`, '--x--', 415, { 'content-type': 'multipart/form-data; boundary=x' }],
    ['JSON', 'post', `${base}/query`, '{}', 415, { 'content-type': 'application/json' }],
    ['a type that only looks like a form', 'post', `${base}/query`, 'query=up', 415, { 'content-type': `${form}x` }],
    ['a compressed form', 'post', `${base}/query`, 'query=up', 415, { 'content-encoding': 'gzip' }],
    ['a large form', 'post', `${base}/query`, `query=${'a'.repeat(16_384)}`, 413],
    [
      'a large chunked form',
      'post',
      `${base}/query`,
      `query=${'a'.repeat(16_384)}`,
      413,
      { 'transfer-encoding': 'chunked' },
    ],
    ['templates that double', 'post', `${base}/query`, `query=${encodeURIComponent(doubling)}`, 422],
    ['a selector with such', 'get', `${base}/series?match[]=up&match[]=${encodeURIComponent(doubling)}`, '', 422],
    ['a large URL', 'get', `${base}/query?query=${'a'.repeat(16_384)}`, '', 413],
  ])('%s', async (_why, method, path, body, status, headers = {}) => {
    const gateway = await testGateway();
    const answer = method === 'get' ? await gateway.get(path, headers) : await gateway.post(path, body, headers);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(JSON.parse(answer.body)).toEqual({
      status: 'error',
      errorType: expect.stringMatching(/^[a-z_]+$/),
      error: expect.stringMatching(/^.{20,}$/),
    });
    expect(gateway.asked).toEqual([]);
  });

  test.each(['PUT', 'DELETE', 'OPTIONS', 'PATCH'])('%s', async (method) => {
    const gateway = await testGateway();
    const answer = await raw(
      gateway.port,
      `${method} ${base}/query?query=up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 405 /);
    expect(answer).toMatch(/\r\nAllow: GET, POST\r\n/);
    expect(answer).not.toMatch(/Access-Control/i);
    expect(gateway.asked).toEqual([]);
  });

  test('a GET with a body', async () => {
    const gateway = await testGateway();
    const head = `GET ${base}/query HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alpha\r\nContent-Length: 8\r\n\r\n`;
    expect(await raw(gateway.port, `${head}query=up`)).toMatch(/^HTTP\/1.1 400 /);
    expect(gateway.asked).toEqual([]);
  });
});

test('whoever may not ask learns nothing of which organizations there are', async () => {
  const gateway = await testGateway();
  const answers = async (headers: Record<string, string>) =>
    Promise.all(
      ['beta', 'nobody'].map(async (org) => {
        const { status, body } = await gateway.get(`/prometheus/${org}/api/v1/query?query=up`, headers);
        return [status, body];
      }),
    );
  for (const [token, status] of [
    ['bad', 401],
    ['alpha', 403],
  ] as const) {
    const [known, unknown] = await answers({ authorization: `Bearer ${token}` });
    expect(known).toEqual(unknown);
    expect(known![0]).toBe(status);
  }
  expect(
    (await gateway.get(`${base}/query?query=up`, { authorization: 'Bearer bad' })).headers['www-authenticate'],
  ).toBe('Bearer');
  expect(gateway.asked).toEqual([]);
  expect(gateway.lines.join('')).not.toContain('Bearer');
});

test('failed attempts count for the address, and only a trusted proxy says which that is', async () => {
  const failed: string[] = [];
  const attempts = {
    allowed: (address: string) => address !== '192.0.2.9',
    failed: (a: string) => void failed.push(a),
  };
  const bad = { authorization: 'Bearer bad' };
  const trusted = ['127.0.0.0/8', '10.0.0.0/8'];
  const claims = { 'x-forwarded-for': '192.0.2.8, 192.0.2.1, 10.0.0.1', 'fly-client-ip': '192.0.2.2' };
  const asked = async (options: Parameters<typeof testGateway>[0], headers: Record<string, string>) => {
    const gateway = await testGateway({ ...options, attempts });
    await gateway.get(`${base}/query?query=up`, { ...bad, ...headers });
    return failed.pop();
  };
  expect(await asked({}, claims)).toBe('127.0.0.1');
  expect(await asked({ flyClientIp: true }, claims)).toBe('127.0.0.1');
  expect(await asked({ trusted }, claims)).toBe('192.0.2.1');
  expect(await asked({ trusted, flyClientIp: true }, claims)).toBe('192.0.2.2');
  // What is no address, or several, is nobody.
  expect(await asked({ trusted, flyClientIp: true }, { 'fly-client-ip': 'x'.repeat(8000) })).toBe('127.0.0.1');
  expect(await asked({ trusted, flyClientIp: true }, { 'fly-client-ip': '192.0.2.2, 192.0.2.3' })).toBe('127.0.0.1');
  expect(await asked({ trusted }, { 'x-forwarded-for': `x, ${'y'.repeat(8000)}` })).toBe('127.0.0.1');
  const behind = await testGateway({ attempts, trusted });
  const answer = await behind.get(`${base}/query?query=up`, { ...bad, 'x-forwarded-for': '192.0.2.9' });
  expect([answer.status, answer.headers['retry-after']]).toEqual([429, '60']);
});

test('who may not is limited, and logged no more; who may is not, whatever others at the address do', async () => {
  const failed: string[] = [];
  const gateway = await testGateway({ attempts: { allowed: () => false, failed: (a) => void failed.push(a) } });
  const status = async (org: string, authorization: string) =>
    (await gateway.get(`/prometheus/${org}/api/v1/query?query=up`, { authorization })).status;
  expect(await status('alpha', 'Bearer bad')).toBe(429);
  expect(await status('beta', 'Bearer alpha')).toBe(403);
  expect(await status('alpha', 'Bearer alpha')).toBe(200);
  expect(await status('alpha', 'Bearer bad')).toBe(429);
  expect([failed, gateway.lines]).toEqual([[], []]);
});

test.each([
  ['APPLICATION/x-www-form-URLENCODED', 200],
  ['application/x-www-form-urlencoded\t;\tcharset=utf-8', 200],
  ['application/x-www-form-urlencoded;', 200],
  ['application/x-www-form-urlencoded\xa0', 415],
  ['\xa0application/x-www-form-urlencoded', 415],
  ['application/x-www-form-urlencoded\xa0; charset=utf-8', 415],
  ['application/x-www-form-urlencoded, text/plain', 415],
])('a form of type %j: %s', async (type, status) => {
  const gateway = await testGateway();
  expect((await gateway.post(`${base}/query`, 'query=up', { 'content-type': type })).status).toBe(status);
  expect(gateway.asked).toHaveLength(status === 200 ? 1 : 0);
});

test('a length that no number holds is too large, not none', async () => {
  const gateway = await testGateway();
  const head = `${base}/query HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alpha\r\nContent-Type: application/x-www-form-urlencoded\r\n`;
  expect(await raw(gateway.port, `POST ${head}Content-Length: 18446744073709551615\r\n\r\n`)).toMatch(
    /^HTTP\/1.1 413 /,
  );
  expect(await raw(gateway.port, `GET ${head}Content-Length: 18446744073709551615\r\n\r\n`)).toMatch(/^HTTP\/1.1 400 /);
  expect(await raw(gateway.port, `POST ${head}Content-Length: 0x8\r\n\r\nquery=up`)).toMatch(/^HTTP\/1.1 400 /);
  expect(gateway.asked).toEqual([]);
});

describe('answers', () => {
  test.each([
    ['Application/JSON', '{"x":1}'],
    ['application/json\t;charset=utf-8', '{"x":1}'],
    ['application/jsonp', null],
    ['application/json-seq', null],
    ['application/json\xa0', null],
  ])('an error of type %j is passed on as it is when it is JSON: %s', async (type, body) => {
    const gateway = await testGateway({
      engine: (_request, response) => void response.writeHead(422, { 'Content-Type': type }).end('{"x":1}'),
    });
    const answer = await gateway.get(`${base}/query?query=up`);
    const ours = `{"status":"error","errorType":"execution","error":"{\\"x\\":1}"}\n`;
    expect([answer.status, answer.body]).toEqual([422, body ?? ours]);
  });

  test('status, type and bytes pass, and nothing else', async () => {
    const gateway = await testGateway({ engine: (_request, response) => void response.writeHead(422).end('{"x":1}') });
    const answer = await gateway.get(`${base}/query?query=up`);
    expect([answer.status, answer.body]).toEqual([422, '{"x":1}']);
    expect(Object.keys(answer.headers).sort()).toEqual([
      'cache-control',
      'connection',
      'content-type',
      'cross-origin-resource-policy',
      'date',
      'keep-alive',
      'transfer-encoding',
      'x-content-type-options',
    ]);
  });

  test('gzip for who takes it', async () => {
    const gateway = await testGateway({
      engine: ({ headers }, response) => {
        const gzip = headers['accept-encoding'] === 'gzip';
        if (gzip) response.setHeader('Content-Encoding', 'gzip');
        response.end(gzip ? gzipSync('{}') : '{}');
      },
    });
    expect((await gateway.get(`${base}/labels`, { 'accept-encoding': 'gzip, br' })).headers['content-encoding']).toBe(
      'gzip',
    );
    expect((await gateway.get(`${base}/labels`)).body).toBe('{}');
  });

  test.each([false, true])("the engine's lines of text become Prometheus' errors (gzip: %s)", async (gzip) => {
    const line = 'remoteAddr: "10.0.0.1:1"; requestURI: /federate; cannot parse matches[]=(((: oh\n';
    const gateway = await testGateway({
      engine: (_request, response) => {
        response.setHeader('Content-Type', 'text/plain');
        if (gzip) response.setHeader('Content-Encoding', 'gzip');
        response.writeHead(400).end(gzip ? gzipSync(line) : line);
      },
    });
    const { status, body } = await gateway.get('/prometheus/alpha/federate?match[]=(((');
    expect([status, JSON.parse(body)]).toEqual([
      400,
      { status: 'error', errorType: 'bad_data', error: 'cannot parse matches[]=(((: oh' },
    ]);
  });

  test.each([
    [422, { errorType: '422' }, 'execution'],
    [400, { errorType: '400' }, 'bad_data'],
    [503, { errorType: '503' }, 'timeout', 'timeout exceeded during query execution'],
    [503, { errorType: '503' }, 'unavailable'],
    [500, { errorType: '500' }, 'internal'],
    [404, {}, 'not_found'],
    [429, { errorType: 'too_many_requests' }, 'unavailable'],
    [422, { errorType: 'execution' }, 'execution'],
    [400, { errorType: 'canceled' }, 'canceled'],
    [422, { errorType: null }, 'execution'],
  ])("%s %j of the engine is Prometheus' %s", async (status, more, type, error = 'oh') => {
    const said = JSON.stringify({ status: 'error', ...more, error });
    const gateway = await testGateway({
      engine: ({ headers }, response) => {
        const gzip = headers['accept-encoding'] === 'gzip';
        response.setHeader('Content-Type', 'application/json');
        if (gzip) response.setHeader('Content-Encoding', 'gzip');
        response.writeHead(status).end(gzip ? gzipSync(said) : said);
      },
    });
    for (const coding of ['gzip', 'identity']) {
      const answer = await gateway.get(`${base}/query?query=up`, { 'accept-encoding': coding });
      expect([answer.status, JSON.parse(answer.body)]).toEqual([status, { status: 'error', errorType: type, error }]);
    }
  });

  test('its own errors have types of Prometheus too', async () => {
    const gateway = await testGateway({ attempts: { allowed: () => false, failed: () => {} } });
    const types = async (authorization: string, path = base) =>
      JSON.parse((await gateway.get(`${path}/query?query=up`, { authorization })).body).errorType;
    expect(await types('Bearer bad')).toBe('unavailable');
    expect(await types('Bearer beta')).toBe('bad_data');
  });

  test('a redirect of the engine is not followed and not passed on', async () => {
    const gateway = await testGateway({
      engine: (_request, response) => void response.writeHead(302, { location: '/vmui' }).end(),
    });
    const { status, headers } = await gateway.get(`${base}/labels`);
    expect([status, headers.location]).toEqual([502, undefined]);
  });

  test('one that is too large is refused, or cut when it has begun', async () => {
    const gateway = await testGateway({
      limits: { responseSize: 100_000 },
      engine: (request, response) => {
        if (request.url === '/api/v1/labels') response.setHeader('Content-Length', 200_000);
        for (let i = 0; i < 20; i++) response.write('x'.repeat(10_000));
        response.end();
      },
    });
    expect((await gateway.get(`${base}/labels`)).status).toBe(422);
    await expect(gateway.get(`${base}/query?query=up`)).rejects.toThrow();
  });

  test('one that the engine breaks off before anything was passed on is refused, and no half of it is seen', async () => {
    const gateway = await testGateway({
      engine: (_request, response) => {
        response.write('{"status":"success","data":');
        setImmediate(() => response.destroy());
      },
    });
    // It was tried once more, alone: its text is condemned.
    expect((await gateway.get(`${base}/query?query=up`)).status).toBe(422);
    expect(gateway.asked).toHaveLength(2);
    expect((await gateway.get(`${base}/query?query=up`)).status).toBe(422);
    expect(gateway.asked).toHaveLength(2);
  });

  test('one that the engine breaks off when half of it has gone is cut', async () => {
    const gateway = await testGateway({
      engine: (_request, response) => {
        response.write('x'.repeat(200_000));
        setTimeout(() => response.destroy(), 50);
      },
    });
    await expect(gateway.get(`${base}/query?query=up`)).rejects.toThrow();
  });
});

describe('limits', () => {
  test('a query that takes too long', async () => {
    const gateway = await testGateway({ limits: { timeout: 200 }, engine: () => {} });
    const { status, body } = await gateway.get(`${base}/query?query=up`);
    expect([status, JSON.parse(body).errorType]).toEqual([503, 'timeout']);
    expect(gateway.asked[0]!.form).toContainEqual(['timeout', '200ms']);
  });

  test("a query's own timeout counts when it is shorter", async () => {
    const gateway = await testGateway();
    for (const timeout of ['1s', '2.5', '1h', '60000']) await gateway.get(`${base}/query?query=up&timeout=${timeout}`);
    expect(gateway.asked.map(({ form }) => form.find(([name]) => name === 'timeout')![1])).toEqual([
      '1000ms',
      '2500ms',
      '5000ms',
      '5000ms',
    ]);
  });

  test('queries at once, of each organization on its own', async () => {
    const waiting: (() => void)[] = [];
    const gateway = await testGateway({
      limits: { concurrency: 2 },
      engine: (_request, response) => void waiting.push(() => response.end('{}')),
    });
    const ask = (org: string) =>
      gateway.get(`/prometheus/${org}/api/v1/query?query=up`, { authorization: `Bearer ${org}` });
    const first = [ask('alpha'), ask('alpha')];
    await until(() => waiting.length === 2);
    const refused = await ask('alpha');
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1']);
    const other = ask('beta');
    await until(() => waiting.length === 3);
    for (const answer of waiting) answer();
    expect((await Promise.all([...first, other])).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(JSON.parse(refused.body).errorType).toBe('unavailable');
    const again = ask('alpha');
    await until(() => waiting.length === 4);
    waiting[3]!();
    expect((await again).status).toBe(200);
  });

  test('two dashboards of many quick queries are answered, whole', async () => {
    let most = 0;
    let now = 0;
    const gateway = await testGateway({
      capacity: 3,
      limits: { concurrency: 32, queue: 256 },
      engine: (_request, response) => {
        most = Math.max(most, ++now);
        setTimeout(() => {
          now--;
          response.end('{}');
        }, 5);
      },
    });
    const asked = Array.from({ length: 132 }, () => gateway.get(`${base}/query?query=up`));
    expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([200]));
    // One place stays for the other organization.
    expect(most).toBe(2);
  });

  test('slow queries of one organization hold up no other', async () => {
    const held: (() => void)[] = [];
    const gateway = await testGateway({
      capacity: 3,
      limits: { concurrency: 32, queue: 256 },
      engine: (_request, response) => {
        if (gateway.asked.at(-1)!.form[0]![1] === 'slow') held.push(() => response.end('{}'));
        else response.end('{}');
      },
    });
    const slow = Array.from({ length: 12 }, () => gateway.get(`${base}/query?query=slow`));
    await until(() => held.length === 2);
    const quick = { authorization: 'Bearer beta' };
    const quicks = Array.from({ length: 20 }, () => gateway.get('/prometheus/beta/api/v1/query?query=up', quick));
    expect(new Set((await Promise.all(quicks)).map(({ status }) => status))).toEqual(new Set([200]));
    expect(held).toHaveLength(2);
    for (let i = 0; i < 12; i++) (await until(() => held[i]))();
    expect(new Set((await Promise.all(slow)).map(({ status }) => status))).toEqual(new Set([200]));
  });

  test('who waits too long is told, who leaves while it waits never reaches the engine', async () => {
    const gateway = await testGateway({
      limits: { concurrency: 1, queue: 5, queueTimeout: 200 },
      engine: () => {},
    });
    const first = gateway.get(`${base}/query?query=first`);
    await until(() => gateway.asked.length === 1);
    const leaver = connect(gateway.port, '127.0.0.1');
    leaver.write(`GET ${base}/query?query=leaver HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alpha\r\n\r\n`);
    const queries = async () => {
      const line = (await gateway.register.metrics())
        .split('\n')
        .find((l) => l.startsWith('fly_gateway_queries{org="alpha"}'));
      return Number(line!.split(' ')[1]);
    };
    await until(async () => (await queries()) === 2);
    leaver.destroy();
    await until(async () => (await queries()) === 1);
    const { status, headers, body } = await gateway.get(`${base}/query?query=second`);
    expect([status, headers['retry-after'], JSON.parse(body).errorType]).toEqual([503, '1', 'timeout']);
    gateway.engine.closeAllConnections();
    await first;
    expect(gateway.asked.map(({ form }) => form[0]![1])).not.toContain('leaver');
    expect(gateway.asked.map(({ form }) => form[0]![1])).not.toContain('second');
  });

  test('what is left of its time goes along', async () => {
    const held: (() => void)[] = [];
    const gateway = await testGateway({
      limits: { concurrency: 1, queue: 5 },
      engine: (_request, response) => void held.push(() => response.end('{}')),
    });
    const asked = [gateway.get(`${base}/query?query=up`), gateway.get(`${base}/query?query=up`)];
    await until(() => held.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    held[0]!();
    (await until(() => held[1]))();
    await Promise.all(asked);
    const [first, second] = gateway.asked.map(({ form }) =>
      Number.parseInt(form.find(([name]) => name === 'timeout')![1], 10),
    );
    expect(first).toBe(5_000);
    expect(second).toBeLessThanOrEqual(4_800);
  });

  test('a query that is late keeps its place until the engine is done with it', async () => {
    const held: (() => void)[] = [];
    const gateway = await testGateway({
      limits: { concurrency: 1, timeout: 200 },
      engine: (_request, response) => void held.push(() => response.end('{}')),
    });
    expect((await gateway.get(`${base}/query?query=first`)).status).toBe(503);
    expect((await gateway.get(`${base}/query?query=second`)).status).toBe(429);
    expect(gateway.asked).toHaveLength(1);
    // Others have theirs.
    const other = gateway.get('/prometheus/beta/api/v1/query?query=up', { authorization: 'Bearer beta' });
    await until(() => held.length === 2);
    held[1]!();
    expect((await other).status).toBe(200);
    held[0]!();
    const again = until(async () => {
      const { status } = await gateway.get(`${base}/query?query=third`);
      return status === 503;
    });
    expect(await again).toBe(true);
    expect(gateway.asked).toHaveLength(3);
  });

  test('one that the engine ends of when its time was long over is condemned', async () => {
    const gateway = await testGateway({ limits: { concurrency: 2, timeout: 200 }, engine: () => {} });
    expect((await gateway.get(`${base}/query?query=doubling`)).status).toBe(503);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    gateway.engine.closeAllConnections();
    const refused = await until(async () => {
      const answer = await gateway.get(`${base}/query?query=doubling`);
      return answer.status === 422 && answer;
    });
    expect(JSON.parse(refused.body).error).toContain('ends the storage engine');
    expect(gateway.lines.filter((line) => line.includes('a query ends the engine'))).toHaveLength(1);
  });

  test('who leaves early keeps the place until the engine is done', async () => {
    const waiting: (() => void)[] = [];
    const gateway = await testGateway({
      limits: { concurrency: 1 },
      engine: (_request, response) => void waiting.push(() => response.end('{}')),
    });
    const socket = connect(gateway.port, '127.0.0.1');
    socket.write(`GET ${base}/query?query=up HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alpha\r\n\r\n`);
    await until(() => waiting.length === 1);
    socket.destroy();
    await once(socket, 'close');
    expect((await gateway.get(`${base}/query?query=up`)).status).toBe(429);
    waiting[0]!();
    const last = await until(async () => {
      const answer = gateway.get(`${base}/query?query=up`);
      await Promise.race([answer, until(() => waiting.length === 2).catch(() => {})]);
      waiting[1]?.();
      return (await answer).status === 200;
    });
    expect(last).toBe(true);
  });
});

test('its own series: requests by organization and status, born at 0', async () => {
  const gateway = await testGateway({
    engine: ({ url }, response) => void response.writeHead(url === '/federate' ? 500 : 200).end('{}'),
  });
  const count = async (org: string, status: number) => {
    const line = (await gateway.register.metrics())
      .split('\n')
      .find((l) => l.startsWith(`fly_gateway_requests_count{org="${org}",status="${status}"}`));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  };
  expect(await count('beta', 200)).toBe(0);
  await gateway.get(`${base}/query?query=up`);
  await gateway.get('/prometheus/alpha/federate?match[]=up');
  await gateway.get('/prometheus/alpha/nothing');
  await gateway.get('/prometheus/nobody/federate');
  await until(async () => (await count('', 403)) === 1);
  expect(await count('alpha', 200)).toBe(1);
  expect(await count('alpha', 500)).toBe(1);
  expect(await count('', 404)).toBe(1);
  expect(await gateway.register.metrics()).toContain('fly_gateway_request_time_seconds_count{org="alpha"} 2');
  expect(await gateway.register.metrics()).not.toContain('nobody');
});

test('no engine: 502, and none of it is remembered', async () => {
  const gateway = await testGateway();
  const { port } = gateway.engine.address() as { port: number };
  gateway.engine.close();
  gateway.engine.closeAllConnections();
  for (let i = 0; i < 3; i++) {
    const { status, body } = await gateway.get(`${base}/query?query=up`);
    expect([status, JSON.parse(body).errorType]).toEqual([502, 'unavailable']);
  }
  await once(gateway.engine.listen(port, '127.0.0.1'), 'listening');
  expect((await gateway.get(`${base}/query?query=up`)).status).toBe(200);
});
