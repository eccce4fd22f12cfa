import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Edge, edgeProgram, service } from '../helpers/edge.ts';
import { HttpInstance } from '../helpers/instances.ts';
import { until } from '../helpers/until.ts';
import { run } from './helpers.ts';

vi.setConfig({ testTimeout: 60_000 });

test('what is open and in flight, as an edge tells it', async () => {
  const held: (() => void)[] = [];
  const instance = await HttpInstance.start((_request, response) => void held.push(() => response.end()));
  const edge = await Edge.start({
    apps: [{ name: 'shop', fly: service({ soft: 2, hard: 5 }), instances: [{ id: 'aa01', port: instance.port }] }],
  });
  try {
    const sockets = Array.from({ length: 3 }, () => connect(edge.port(), '127.0.0.1'));
    for (const socket of sockets) {
      await once(socket, 'connect');
      socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n');
    }
    await until(() => held.length === 3, 'three requests at the instance');
    const { code, stdout, stderr } = await run('top', '--config', edge.file, '--interval', '1s');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('blue 1 accepting\n');
    expect(stdout).toMatch(/Open connections 3$/m);
    expect(stdout).toMatch(/^shop +aa01 +3 +2 +5 +█{12}░{8} +0 \/s$/m);
    expect(stdout).not.toContain('\x1b');
    for (const answer of held) answer();
    for (const socket of sockets) socket.destroy();
  } finally {
    await edge.stop();
    await instance.stop();
  }
});

test('of another edge: never the numbers of one that has its address; after a change of address, those of its own', async () => {
  const instance = await HttpInstance.start();
  const apps = [{ name: 'shop', instances: [{ id: 'aa01', port: instance.port }] }];
  const edge = await Edge.start({ apps });
  try {
    // The same address for metrics, another control socket.
    const other = join(mkdtempSync(join(tmpdir(), 'fly-edge-top-')), 'edge.toml');
    onTestFinished(() => rmSync(dirname(other), { recursive: true }));
    cpSync(join(dirname(edge.file), 'shop.toml'), join(dirname(other), 'shop.toml'));
    writeFileSync(other, readFileSync(edge.file));
    const looked = await run('top', '--config', other, '--once', '--interval', '1s');
    expect(looked).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('no edge is running') });
    // What the file says now is not what the edge was started with.
    const text = readFileSync(edge.file, 'utf8');
    writeFileSync(edge.file, text.replace(/(\[metrics\]\nlisten = "127.0.0.1:)\d+/, '$11'));
    const changed = await run('top', '--config', edge.file, '--once', '--interval', '1s');
    expect(changed).toMatchObject({ code: 0, stdout: expect.stringContaining('shop'), stderr: '' });
    writeFileSync(edge.file, text);
  } finally {
    await edge.stop();
    await instance.stop();
  }
});

test('in a terminal: SIGUSR1 and SIGUSR2 mean nothing, SIGQUIT ends it and leaves the terminal as before', async () => {
  const instance = await HttpInstance.start();
  const edge = await Edge.start({ apps: [{ name: 'shop', instances: [{ id: 'aa01', port: instance.port }] }] });
  try {
    const command = `echo $$; exec ${process.execPath} ${edgeProgram} top --config ${edge.file} --interval 1s`;
    const running = promisify(execFile)('script', ['-qefc', command, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm' },
    });
    let drawn = '';
    running.child.stdout!.on('data', (text: string) => (drawn += text));
    const times = () => drawn.split('q quits').length - 1;
    await until(() => times() > 0, 'drawn', 30_000);
    const pid = Number(/^(\d+)/.exec(drawn)![1]);
    for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.kill(pid, signal);
    const before = times();
    await until(() => times() > before, 'drawn again', 30_000);
    process.kill(pid, 'SIGQUIT');
    await running;
    expect(drawn).not.toMatch(/Debugger|inspector/);
    expect(drawn.endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
  } finally {
    await edge.stop();
    await instance.stop();
  }
});

test('in a terminal: drawn anew, until q; the terminal is as before', async () => {
  const instance = await HttpInstance.start();
  const edge = await Edge.start({ apps: [{ name: 'shop', instances: [{ id: 'aa01', port: instance.port }] }] });
  try {
    const command = `stty rows 20 cols 90; ${process.execPath} ${edgeProgram} top --config ${edge.file} --interval 1s`;
    const running = promisify(execFile)('script', ['-qec', command, '/dev/null'], {
      env: { ...process.env, TERM: 'xterm' },
    });
    let drawn = '';
    running.child.stdout!.on('data', (text: string) => (drawn += text));
    await until(() => drawn.split('q quits').length > 3, 'drawn three times', 30_000);
    running.child.stdin!.write('q');
    await running;
    expect(drawn.startsWith('\x1b[?1049h\x1b[?25l')).toBe(true);
    expect(drawn.endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
    expect(drawn).toContain('aa01');
    const screens = drawn.split('\x1b[H').slice(1);
    for (const screen of screens) expect(screen.split('\n').length).toBeLessThanOrEqual(20);
  } finally {
    await edge.stop();
    await instance.stop();
  }
});

test('an edge that does not answer is told, with exit code 1', async () => {
  const instance = await HttpInstance.start();
  const edge = await Edge.start({ apps: [{ name: 'shop', instances: [{ id: 'aa01', port: instance.port }] }] });
  const gone = edge.child.kill('SIGKILL');
  expect(gone).toBe(true);
  await once(edge.child, 'exit');
  try {
    const { code, stderr } = await run('top', '--config', edge.file);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^fly-edge: no edge is running \(control socket .*edge\.sock\)\n$/);
  } finally {
    await instance.stop();
  }
});

test.each(['0.5s', 'soon'])('an interval of %s is refused', async (interval) => {
  const { code, stderr } = await run('top', '--config', 'config/edge.toml', '--interval', interval);
  expect([code, stderr]).toEqual([2, 'fly-edge: --interval: write "2s", at least a second\n']);
});
