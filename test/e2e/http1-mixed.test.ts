import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Edge, service } from '../helpers/edge.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { request } from '../helpers/messages.ts';
import { seeded } from '../helpers/random.ts';
import { rawClient } from '../helpers/raw.ts';

/** Requests of every shape, cut anywhere, pipelined at random: each answer must be the one to its request. */

let edge: Edge;
let instance: HttpInstance;

beforeAll(async () => {
  instance = await HttpInstance.start((request, response) => {
    const digest = createHash('sha1');
    request.on('data', (bytes: Buffer) => digest.update(bytes));
    request.on('end', () => {
      const { searchParams } = new URL(request.url!, 'http://x');
      const body = Buffer.alloc(Number(searchParams.get('size')), searchParams.get('fill')!);
      if (searchParams.has('length')) response.setHeader('content-length', body.length);
      response.setHeader('x-digest', digest.digest('hex'));
      if (searchParams.has('hint')) response.writeEarlyHints({ link: '</a>' });
      if (searchParams.has('halves')) response.write(body.subarray(0, body.length / 2));
      response.end(searchParams.has('halves') ? body.subarray(body.length / 2) : body);
    });
  });
  const instances = [{ id: 'aa', port: instance.port }];
  edge = await Edge.start({
    apps: [
      { name: 'demo', instances },
      { name: 'direct', fly: service({ type: 'connections' }), instances },
    ],
    workers: 2,
  });
});
afterAll(async () => {
  await edge.stop();
  await instance.stop();
});

interface Case {
  text: string;
  digest: string;
  hint: boolean;
  length: number;
  fill: string;
}

const sizes = [0, 1, 100, 4_000, 20_000, 70_000, 300_000];

function makeCase(random: () => number): Case {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const [length, fill] = [pick(sizes), pick(['a', 'b', 'c'])];
  const hint = random() < 0.2;
  const flags = [hint && 'hint', random() < 0.5 && 'length', random() < 0.5 && 'halves'].filter(Boolean).join('&');
  const path = `/?size=${length}&fill=${fill}&${flags}`;
  const host = pick(['demo.test', 'direct.test']);
  const body = 'x'.repeat(pick(sizes));
  const digest = createHash('sha1').update(body).digest('hex');
  const shape = pick(['none', 'length', 'chunked'] as const);
  if (shape === 'none') return { text: request('GET', path, '', '', host), digest: emptyDigest, hint, length, fill };
  if (shape === 'length') {
    return { text: request('PUT', path, `Content-Length: ${body.length}\r\n`, body, host), digest, hint, length, fill };
  }
  let chunks = '';
  for (let at = 0; at < body.length; ) {
    const size = Math.min(body.length - at, 1 + Math.floor(random() * 30_000));
    chunks += `${size.toString(16)};x=${at}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  const text = request('POST', path, 'Transfer-Encoding: chunked\r\n', `${chunks}0\r\nX-T: 1\r\n\r\n`, host);
  return { text, digest, hint, length, fill };
}
const emptyDigest = createHash('sha1').digest('hex');

const payload = (body: string, chunked: boolean): string => {
  if (!chunked) return body;
  let text = '';
  for (let at = 0; ; ) {
    const line = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.slice(at, line), 16);
    if (size === 0) return text;
    text += body.slice(line + 2, line + 2 + size);
    at = line + 4 + size;
  }
};

test.each([1, 2, 3, 4])(
  'seed %i',
  async (seed) => {
    const watch = await edge.watch();
    const clients = 6;
    const each = 25;
    await Promise.all(
      Array.from({ length: clients }, async (_, index) => {
        const random = seeded(seed * 100 + index);
        const client = await rawClient(edge.port());
        const cases = Array.from({ length: each }, () => makeCase(random));
        const sending = (async () => {
          const text = cases.map((one) => one.text).join('');
          for (let at = 0; at < text.length; ) {
            const length = 1 + Math.floor(random() ** 4 * 200_000);
            client.send(text.slice(at, at + length));
            at += length;
            if (random() < 0.5) await new Promise(setImmediate);
          }
        })();
        for (const one of cases) {
          if (one.hint) expect((await client.response()).status).toBe(103);
          const { status, fields, body } = await client.response();
          expect(status).toBe(200);
          expect(fields['x-digest']).toBe(one.digest);
          const got = payload(body, fields['transfer-encoding'] === 'chunked');
          expect(got === one.fill.repeat(one.length)).toBe(true);
        }
        await sending;
        expect(client.text).toBe('');
        client.end();
      }),
    );
    await watch.moved({
      'edge 200': clients * each,
      'app 200': clients * each,
      'edge connects': clients,
    });
  },
  60_000,
);
