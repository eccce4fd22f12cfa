import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'vitest';
import { Edge } from '../helpers/edge.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { until } from '../helpers/until.ts';
test.each(['--max-semi-space-size=1 --max-old-space-size=40', '--max-semi-space-size=16'])('%s', async (opts) => {
  let hanging = 0;
  const instance = await HttpInstance.start((request, response) => { if (request.url === '/hang') hanging++; else response.end('x'); });
  const edge = await Edge.start({ workers: 2, under: ['env', `NODE_OPTIONS=${opts}`], apps: [{ name: 'web', instances: [{ id: 'aa01', port: instance.port }] }] });
  const pids = await edge.pids();
  const rss = () => pids.map((pid) => Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024));
  console.log(rss());
  let aborted = 0;
  for (let r = 0; r < 10; r++) {
    for (let i = 0; i < 25; i++) {
      const sockets = await Promise.all(Array.from({ length: 100 }, async () => { const s = connect({ port: edge.port(), host: '127.0.0.1' }); s.on('error', () => {}); await once(s, 'connect'); s.write('GET /hang HTTP/1.1\r\nHost: web.test\r\n\r\n'); return s; }));
      aborted += 100;
      await until(() => hanging === aborted);
      for (const s of sockets) s.resetAndDestroy();
    }
    console.log(aborted, rss(), (await edge.status()).slots[0]!.workers.map((w) => w.connections));
  }
  await edge.stop(); await instance.stop();
}, 120000);
