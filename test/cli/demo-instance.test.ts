import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from './helpers.ts';

test('numbers of a query are decimal digits, or the default', async () => {
  const port = await freePort();
  const program = fileURLToPath(new URL('../../src/cli/demo-instance.ts', import.meta.url));
  const child = fork(program, ['demo', '127.0.0.1', String(port)]);
  onTestFinished(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  await once(child, 'message');
  const length = async (n: string) =>
    (await (await fetch(`http://127.0.0.1:${port}/bytes?n=${n}`)).arrayBuffer()).byteLength;
  expect([await length('7'), await length('0'), await length('007')]).toEqual([7, 0, 7]);
  for (const n of ['', '0x10', '1e2', '%2016', '16%C2%A0', '-1', '1.0', '%D9%A1'])
    expect([n, await length(n)]).toEqual([n, 1000]);
});
