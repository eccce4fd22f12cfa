import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pageAssets } from '../../src/page/assets.ts';
import { pageRoute } from '../../src/page/serve.ts';

let server: Server;
beforeAll(async () => {
  const page = pageRoute('live');
  server = createServer((request, response) => {
    if (!page(request, response)) response.writeHead(418).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterAll(() => void server.close());

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** The path goes out as it is written. */
async function get(path: string, method = 'GET', headers: Record<string, string> = {}): Promise<Answer> {
  const { port } = server.address() as AddressInfo;
  const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }).end();
  const [response] = await once(sent, 'response');
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(await response.toArray()) };
}

test('the page and all that it names is there, of the right type', async () => {
  const seen = new Set<string>();
  const waiting = ['/'];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const { status, headers, body } = await get(path);
    expect([path, status]).toEqual([path, 200]);
    const type = { html: 'text/html', css: 'text/css', svg: 'image/svg+xml' }[path.split('.')[1] ?? 'html'];
    expect(headers['content-type']).toBe(`${type ?? 'text/javascript'}; charset=utf-8`);
    const text = path.endsWith('uplot.js') ? '' : body.toString();
    const named = [...text.matchAll(/(?:from |import |(?:src|href)=)['"]([./][^'"#]+)['"]/g)].map(([, name]) => name!);
    waiting.push(
      ...named.map((name) => new URL(name, `http://x${path}`).pathname).filter((name) => name !== '/metrics'),
    );
  }
  // It holds types alone.
  seen.add('/page/browser/source.ts');
  expect(seen).toEqual(new Set(pageAssets('live').keys()));
  expect(seen.size).toBeGreaterThan(40);
});

test('what the browser gets is JavaScript, and of nobody else', () => {
  for (const [path, { body }] of pageAssets('query')) {
    const text = body.toString();
    expect(text, path).not.toMatch(/import type|^export interface|: string[,)]/m);
    if (path !== '/page/browser/uplot.js')
      expect(text.replaceAll('http://www.w3.org/2000/svg', ''), path).not.toMatch(/https?:/);
  }
});

test('where the numbers come from is said in the page', () => {
  expect(pageAssets('live').get('/')!.body.toString()).toContain('name="fly-edge-source" content="live"');
  expect(pageAssets('query').get('/')!.body.toString()).toContain('name="fly-edge-source" content="query"');
});

test('no style, script or handler stands in the page itself: the policy allows none', async () => {
  const { headers, body } = await get('/');
  const policy = headers['content-security-policy'];
  expect(policy).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
  expect(body.toString()).not.toMatch(/ style=|<style|<script>| on\w+=/);
});

test.each(['/', '/page/page.css', '/page/model/read.ts', '/page/nothing'])(
  '%s has its security headers',
  async (path) => {
    const { headers } = await get(path);
    expect(headers).toMatchObject({
      'content-security-policy': expect.stringContaining("default-src 'none'"),
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
  },
);

test.each([
  ['GET', '/page/', 404],
  ['GET', '/page/../serve.ts', 404],
  ['GET', '/page/browser/../../serve.ts', 404],
  ['GET', '/page/%2e%2e/serve.ts', 404],
  ['GET', '/page/browser/tsconfig.json', 404],
  ['GET', '/page/browser/uplot.d.ts', 404],
  ['GET', '/page/constructor', 404],
  ['POST', '/', 405],
  ['DELETE', '/page/page.css', 405],
  ['HEAD', '/', 200],
  ['GET', '/?org=personal', 200],
  ['GET', '/pages', 418],
  ['GET', '/page', 418],
  ['GET', '//', 418],
])('%s %s → %i', async (method, path, status) => {
  expect((await get(path, method)).status).toBe(status);
});

test('HEAD has the headers of GET and no body', async () => {
  const [head, whole] = [await get('/', 'HEAD'), await get('/')];
  expect(head.body.length).toBe(0);
  expect(head.headers['content-length']).toBe(String(whole.body.length));
  expect(head.headers.etag).toBe(whole.headers.etag);
});

test('what a browser has already is not sent again', async () => {
  const { headers } = await get('/page/page.css');
  expect(headers['cache-control']).toBe('no-cache');
  for (const tag of [headers.etag!, `W/${headers.etag}`, `"other", ${headers.etag}`, '*']) {
    const again = await get('/page/page.css', 'GET', { 'if-none-match': tag });
    expect([again.status, again.body.length]).toEqual([304, 0]);
  }
  const { etag } = headers;
  for (const tag of [`"other"\t,\t${etag}\t`, `"other",,W/${etag}`])
    expect((await get('/page/page.css', 'GET', { 'if-none-match': tag })).status).toBe(304);
  for (const tag of ['"other"', `\xa0${etag}`, `${etag}\xa0`, '\xa0*', `W/\xa0${etag}`, `w/${etag}`])
    expect((await get('/page/page.css', 'GET', { 'if-none-match': tag })).status).toBe(200);
});

test('gzip when it is asked for', async () => {
  const plain = await get('/page/browser/uplot.js');
  const packed = await get('/page/browser/uplot.js', 'GET', { 'accept-encoding': 'gzip' });
  expect(packed.headers['content-encoding']).toBe('gzip');
  expect(packed.body.length).toBeLessThan(plain.body.length / 2);
  expect(gunzipSync(packed.body).equals(plain.body)).toBe(true);
});

test('nothing is written on standard error while types are stripped', () => {
  const url = new URL('../../src/page/assets.ts', import.meta.url).href;
  const code = `const { pageAssets } = await import('${url}'); pageAssets('live'); process.emitWarning('ours');`;
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
  expect(stderr).toMatch(/^\(node:\d+\) Warning: ours\n/);
});
