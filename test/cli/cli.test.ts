import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test, vi } from 'vitest';
import { until } from '../supervisor/helpers.ts';
import { bin, config, freePort, instance, metric, run, serving, start, status } from './helpers.ts';

// Each test starts several processes.
vi.setConfig({ testTimeout: 30_000 });

describe('usage', () => {
  test.for([
    [['frobnicate'], "unknown command 'frobnicate'"],
    [['run'], 'run needs either --config FILE or --to HOST:PORT'],
    [['run', '--config', 'a', '--to', '127.0.0.1:1'], 'run needs either'],
    [['run', '--config', 'a', '--app', 'b'], '--app goes with --to'],
    [['run', '--config', 'a', '--metrics', '127.0.0.1:1'], '--metrics goes with --to'],
    [['run', '--to', 'nowhere'], '--to'],
    [['run', '--to', '127.0.0.1:1', '--metrics', 'nowhere'], '--metrics: "nowhere": write an IP address and a port'],
    [['check'], 'no configuration: write --config FILE, or set FLY_EDGE_CONFIG; there is no ./edge.toml and no /etc/'],
    [['tokens', 'list'], 'no configuration: write --config FILE'],
    [['stop', '--what'], "unknown option '--what'"],
  ] as const)('%s is told in one line, exit code 2', async ([args, message]) => {
    const { code, stdout, stderr } = await run(...args);
    expect(stderr).toContain(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  test('a port that is taken is told by the option that names it, where there is no file', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as net.AddressInfo;
    const [to, other] = [['--to', '127.0.0.1:1'], `127.0.0.1:${await freePort()}`];
    const inUse = `127.0.0.1:${port} is in use by another process, pid ${process.pid} (node)`;
    const wrong = await run('run', ...to, '--listen', other, '--metrics', `127.0.0.1:${port}`);
    expect(wrong).toMatchObject({ code: 1, stderr: `fly-edge: --metrics: ${inUse}\n` });
    const listen = await run('run', ...to, '--listen', `127.0.0.1:${port}`, '--metrics', other);
    expect(listen).toMatchObject({ code: 1, stderr: `fly-edge: --listen: ${inUse}\n` });
    taken.close();
  });

  test('help tells the defaults', async () => {
    const { stdout } = await run('run', '--help');
    const help = stdout.replace(/\s+/g, ' ');
    expect(help).toContain('(default: $FLY_EDGE_CONFIG, else ./edge.toml, else /etc/fly-edge/edge.toml)');
    for (const value of ['127.0.0.1:8080', '127.0.0.1:9091', 'app']) expect(help).toContain(`(default: "${value}")`);
  });

  test('--help and --version are no errors', async () => {
    expect(await run('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('check'), stderr: '' });
    expect(await run('--version')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});

describe('check', () => {
  test('a good file', async () => {
    const { file } = await config(3001);
    expect(await run('check', '--config', file)).toMatchObject({
      code: 0,
      stdout: `${file}: good: 1 app, 1 instance, 1 listener\n`,
    });
  });

  test('warnings belong to those that put a file to use; others only ask where its edge is', async () => {
    const { file } = await config(3001, { fly: 'unknown_key = 1\n' });
    const warned = async (...args: string[]) => (await run(...args, '--config', file)).stderr.includes('(warning)');
    for (const command of ['check', 'restart', 'upgrade'])
      expect([command, await warned(command)]).toEqual([command, true]);
    for (const args of [['status'], ['status', '--json'], ['stop'], ['tokens', 'list'], ['scrape-config'], ['top']])
      expect([args, await warned(...args)]).toEqual([args, false]);
    const program = start(['run', '--config', file]);
    await until(() => program.stderr.includes('unknown_key') && program.stderr.includes('(warning)'));
    program.process.kill();
    await program.ended;
  });

  test('every fault has its place', async () => {
    const { file } = await config(3001, { edge: 'wrokers = 2\n[limits]\nhead_size = "big"\n' });
    const { code, stdout, stderr } = await run('check', '--config', file);
    expect(stderr).toMatch(/edge\.toml:\d+:\d+: .*workers/);
    expect(stderr).toMatch(/edge\.toml:\d+:\d+: .*head_size/);
    expect(stdout).toBe('');
    expect(code).toBe(2);
    // What is faulty is not run.
    expect(await run('run', '--config', file)).toMatchObject({ code: 2, stderr });
  });

  test('no such file', async () => {
    const { code, stderr } = await run('check', '--config', '/nowhere/edge.toml');
    expect(stderr).toMatch(/^\/nowhere\/edge\.toml:.*no such file/);
    expect(code).toBe(2);
  });

  test('a port of another process is a fault, one of this edge is not', async () => {
    const made = await config(await instance());
    const other = net.createServer().listen(made.http, '127.0.0.1');
    await once(other, 'listening');
    const { code, stderr } = await run('check', '--config', made.file);
    expect(stderr).toContain(`127.0.0.1:${made.http} is in use by another process`);
    expect(code).toBe(2);
    expect(await run('run', '--config', made.file)).toMatchObject({
      code: 1,
      stderr: `fly-edge: 127.0.0.1:${made.http} is in use by another process, pid ${process.pid} (node)\n`,
    });
    await new Promise((resolve) => other.close(resolve));
    await serving(made.file);
    expect(await run('check', '--config', made.file)).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('a configuration that no option names', () => {
  /** Runs the program in a folder, with an environment of its own. */
  async function inFolder(folder: string, env: NodeJS.ProcessEnv, ...args: string[]) {
    const child = spawn(process.execPath, [bin, ...args], { cwd: folder, env: { ...process.env, ...env } });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code, stdout, stderr };
  }

  test('FLY_EDGE_CONFIG, then ./edge.toml', async () => {
    const [here, named] = [await config(3001), await config(3002)];
    const folder = dirname(here.file);
    expect(await inFolder(folder, {}, 'check')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^edge.toml: good/),
    });
    const env = { FLY_EDGE_CONFIG: named.file };
    expect((await inFolder(folder, env, 'check')).stdout).toContain(`${named.file}: good`);
    expect((await inFolder(folder, env, 'check', '--config', here.file)).stdout).toContain(`${here.file}: good`);
    expect(await inFolder(folder, { FLY_EDGE_CONFIG: '/nowhere.toml' }, 'check')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('/nowhere.toml:1:1'),
    });
    // An empty variable is none, and --to needs no file.
    expect((await inFolder(folder, { FLY_EDGE_CONFIG: '' }, 'check')).stdout).toContain('edge.toml: good');
    expect((await inFolder(folder, env, 'run', '--to', 'nowhere')).stderr).toContain('--to: "nowhere"');
  });

  test('an edge runs and stops with it, and what changes an edge says which', async () => {
    const made = await config(await instance());
    const folder = dirname(made.file);
    const running = inFolder(folder, {}, 'run');
    await until(() =>
      status(made.file).then(
        ({ state }) => state === 'serving',
        () => false,
      ),
    );
    const which = `fly-edge: the configuration is ${made.file}\n`;
    for (const command of ['restart', 'upgrade', 'stop']) {
      expect(await inFolder(folder, {}, command), command).toMatchObject({ code: 0, stderr: which });
      if (command !== 'stop') expect(await inFolder(folder, {}, 'status')).toMatchObject({ code: 0, stderr: '' });
    }
    expect((await running).code).toBe(0);
  });
});

describe('run', () => {
  test('serves, counts, shows its status, and stops with the last request answered', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const to = await instance(async (request, response) => {
      if (request.url === '/held') await held;
      response.end('hello\n');
    });
    const made = await config(to);
    const program = await serving(made.file);
    expect(await (await fetch(`http://127.0.0.1:${made.http}/`)).text()).toBe('hello\n');
    expect(
      await metric(
        made,
        'fly_edge_http_responses_count{app="demo",region="iad",host="2bc3",proxy_id="blue",status="200"}',
      ),
    ).toBe(1);
    const text = await run('status', '--config', made.file);
    expect(text.stdout).toContain('slot blue, generation 1, accepting');
    expect(text.stdout).toContain('148e21ea7e5068');
    const json = await run('status', '--config', made.file, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      state: 'serving',
      instances: [{ app: 'demo', health: 'healthy' }],
    });

    const last = fetch(`http://127.0.0.1:${made.http}/held`);
    await until(async () => (await status(made.file)).instances[0]!.inFlight === 1);
    const stop = start(['stop', '--config', made.file]);
    await until(async () => (await status(made.file)).state === 'stopping');
    release();
    expect(await (await last).text()).toBe('hello\n');
    expect(await stop.ended).toMatchObject({ code: 0, stdout: 'stopped\n' });
    expect((await program.ended).code).toBe(0);
    expect(await run('status', '--config', made.file)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no edge is running'),
    });
    expect(await run('stop', '--config', made.file)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no edge is running'),
    });
  });

  test.for(['SIGTERM', 'SIGINT'] as const)(
    '%s drains and ends with 0, also when it comes twice at once',
    async (signal) => {
      const { file } = await config(await instance());
      const program = await serving(file);
      program.process.kill(signal);
      program.process.kill(signal);
      expect(await program.ended).toMatchObject({ code: 0 });
    },
  );

  test('a second signal ends it at once', async () => {
    const made = await config(await instance(() => {}), { edge: '' });
    const program = await serving(made.file);
    const request = fetch(`http://127.0.0.1:${made.http}/`).catch((error) => error);
    await until(async () => (await status(made.file)).instances[0]!.inFlight === 1);
    program.process.kill('SIGTERM');
    await until(async () => (await status(made.file)).slots[0]!.state === 'draining');
    const hurry = setInterval(() => program.process.kill('SIGTERM'), 100);
    const { code, stderr } = await program.ended;
    clearInterval(hurry);
    expect(stderr).toContain('ending at once');
    expect(code).toBe(1);
    expect(await request).toBeInstanceOf(TypeError);
  });

  test('a worker that is killed is replaced; its open connections are booked as disconnects', async () => {
    const made = await config(await instance());
    await serving(made.file);
    const before = (await status(made.file)).slots[0]!.workers[0]!.pid;
    const client = net.connect(made.http, '127.0.0.1');
    client.on('error', () => {});
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(client, 'data');
    const connects = 'fly_edge_tcp_connects_count{app="demo"';
    const disconnects = 'fly_edge_tcp_disconnects_count{app="demo"';
    expect(await metric(made, connects)).toBe(1);
    expect(await metric(made, disconnects)).toBe(0);
    process.kill(before, 'SIGKILL');
    await once(client, 'close');
    // In the accept queue until the replacement is there.
    expect((await fetch(`http://127.0.0.1:${made.http}/`)).status).toBe(200);
    expect(await metric(made, disconnects)).toBeGreaterThanOrEqual(1);
    const slot = (await status(made.file)).slots[0]!;
    expect(slot.restarts).toBe(1);
    expect(slot.workers[0]!.pid).not.toBe(before);
  });

  test('when the supervisor is killed its workers end, and a new one starts over the stale socket', async () => {
    const made = await config(await instance());
    const program = await serving(made.file);
    const worker = program.status.slots[0]!.workers[0]!.pid;
    process.kill(program.status.pid, 'SIGKILL');
    await program.ended;
    await until(() => !alive(worker));
    await serving(made.file);
    expect((await fetch(`http://127.0.0.1:${made.http}/`)).status).toBe(200);
  });

  test('signals to a worker are not its business', async () => {
    const made = await config(await instance());
    const { slots } = (await serving(made.file)).status;
    const { pid } = slots[0]!.workers[0]!;
    process.kill(pid, 'SIGINT');
    process.kill(pid, 'SIGTERM');
    expect((await fetch(`http://127.0.0.1:${made.http}/`)).status).toBe(200);
    expect((await status(made.file)).slots[0]!.workers[0]!.pid).toBe(pid);
  });

  test('the access log is one JSON line for each request on stdout', async () => {
    const made = await config(await instance(), { edge: '[log]\naccess = true\n' });
    const program = await serving(made.file);
    await (await fetch(`http://127.0.0.1:${made.http}/a?b`)).text();
    await run('stop', '--config', made.file);
    const { stdout } = await program.ended;
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      app: 'demo',
      instance: '148e21ea7e5068',
      method: 'GET',
      path: '/a?b',
      status: 200,
      error: '',
    });
    expect(Date.parse(lines[0].time)).not.toBeNaN();
  });

  test('a port that a stopped worker of a killed edge holds: run says who has it', async () => {
    const made = await config(await instance());
    const killed = await serving(made.file);
    const worker = (await status(made.file)).slots[0]!.workers[0]!.pid;
    process.kill(worker, 'SIGSTOP');
    try {
      killed.process.kill('SIGKILL');
      await once(killed.process, 'exit');
      const { code, stderr } = await run('run', '--config', made.file);
      expect(code).toBe(1);
      const holder = `pid ${worker} (fly-edge blue worker 0, stopped)`;
      expect(stderr).toContain(`127.0.0.1:${made.http} is in use by another process, ${holder}`);
    } finally {
      process.kill(worker, 'SIGCONT');
    }
    await until(() => !alive(worker));
    await serving(made.file);
  });

  test('--to needs no file, and speaks of none', async () => {
    const [to, port, metrics] = [await instance(), await freePort(), await freePort()];
    const listen = ['--listen', `127.0.0.1:${port}`, '--metrics', `127.0.0.1:${metrics}`];
    const program = start(['run', '--to', `127.0.0.1:${to}`, ...listen, '--app', 'quick']);
    await until(() => program.stderr.includes('the slot serves') || program.process.exitCode !== null);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
    const asked = http.get({ port: metrics, path: '/metrics', headers: { host: 'foreign.test' } });
    const [response] = (await once(asked, 'response')) as [http.IncomingMessage];
    expect(response.statusCode).toBe(421);
    expect(await text(response)).toContain('into hosts in [metrics] of an edge.toml, and run with --config');
  });
});

/** Some older Node on the PATH, such as the one that ran `npm ci`. */
const older = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'node'))
  .find((node) => {
    const version = spawnSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' }).stdout;
    return version !== null && Number.parseInt(version, 10) < 26;
  });

test.skipIf(older === undefined)(
  'an older node runs it with the pinned one: arguments, exit codes and signals pass',
  async () => {
    expect(await start(['--version'], older).ended).toMatchObject({ code: 0, stdout: (await run('--version')).stdout });
    expect(await start(['frobnicate'], older).ended).toMatchObject({ code: 2 });
    const { file } = await config(await instance());
    const program = start(['run', '--config', file], older);
    await until(() => program.stderr.includes('the slot serves'));
    program.process.kill('SIGTERM');
    expect(await program.ended).toMatchObject({ code: 0 });
  },
);

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
