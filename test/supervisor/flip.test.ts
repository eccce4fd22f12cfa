import net from 'node:net';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Loaded } from '../../src/config/load.ts';
import type { ListenerPlan, Plan } from '../../src/config/plan.ts';
import { Configuration } from '../../src/supervisor/configuration.ts';
import { control } from '../../src/supervisor/control.ts';
import { Generations } from '../../src/supervisor/generations.ts';
import { ListeningSockets } from '../../src/supervisor/listening-sockets.ts';
import { Slot } from '../../src/supervisor/slot.ts';
import { Slots } from '../../src/supervisor/slots.ts';
import { WorkerPool } from '../../src/supervisor/worker-pool.ts';
import { ask, client, type Log, scraped, temporaryFolder, testPlan, testSupervisor, until } from './helpers.ts';

// Each test starts several processes.
vi.setConfig({ testTimeout: 60_000 });

/** A supervisor that serves, and the configuration that its next restart reads. */
async function edge(first: (plan: Plan) => void = () => {}) {
  const plan = testPlan((plan) => {
    plan.slots.workers = 1;
    plan.slots.drainTimeout = 20_000;
    first(plan);
  });
  let loaded: Loaded = { plan, faults: [], warnings: [] };
  const log: Log = [];
  const supervisor = testSupervisor(plan, async () => structuredClone(loaded), log);
  expect(await supervisor.start()).toBeNull();
  const { port } = supervisor.status.listeners[0]!;
  return {
    supervisor,
    log,
    port,
    /** The next restart reads this change of the first plan. */
    write(change: (plan: Plan) => void) {
      loaded = { ...loaded, plan: structuredClone(plan) };
      change(loaded.plan!);
    },
    /** The next restart finds these faults. */
    spoil(...messages: string[]) {
      const faults = messages.map((message, i) => ({ file: 'edge.toml', line: i + 1, column: 1, message }));
      loaded = { plan: null, faults, warnings: [] };
    },
    async pidOfNewConnection() {
      const socket = await client(port);
      const pid = Number(await ask(socket, 'pid'));
      socket.destroy();
      return pid;
    },
    slots: () => supervisor.status.slots.map(({ colour, generation, state }) => `${colour} ${generation} ${state}`),
  };
}

const slot = (name: string, colour: 'blue' | 'green', own = '') =>
  `fly_slot_${name}{region="local",host="0000",proxy_id="${colour}"${own && `,${own}`}}`;
const connects = (colour: 'blue' | 'green') =>
  `fly_edge_tcp_connects_count{app="demo",region="local",host="0000",proxy_id="${colour}"}`;

/** A listener on a port of the system's choice beside the first one. */
const listener = (plan: Plan, key: string, port = 0): ListenerPlan => ({ ...plan.listeners[0]!, key, port });

test('the other slot serves, and the first one drains until its last connection is gone', async () => {
  const { supervisor, pidOfNewConnection, port, slots } = await edge();
  const old = await client(port);
  const before = Number(await ask(old, 'pid'));
  expect(await supervisor.restart()).toEqual({
    changes: [
      'slot green, generation 2, serves; generation 1 drains',
      expect.stringMatching(/^version: \d/),
      'apps: 1',
      'instances: 1',
      'listeners: 1',
      'certificates: 0',
    ],
  });
  expect(slots()).toEqual(['blue 1 draining', 'green 2 accepting']);
  const after = await pidOfNewConnection();
  expect(after).not.toBe(before);
  expect(Number(await ask(old, 'pid'))).toBe(before);
  old.destroy();
  await until(() => slots().length === 1);
  expect(slots()).toEqual(['green 2 accepting']);
  expect(await pidOfNewConnection()).toBe(after);
});

test.for<[behaviour: string, fault: string, readyTimeout: number]>([
  ['crash', 'worker 0 ended with code 3 before it was ready', 20_000],
  ['fail', 'no data path', 20_000],
  ['silent', 'it was not ready within 1 s', 1_000],
  ['crash-accepting', 'worker 0 ended with code 4 before it accepted', 20_000],
  ['deaf', 'it was not accepting within 8 s', 8_000],
])('a new slot that is %s leaves the old one serving', async ([behaviour, fault, readyTimeout]) => {
  const { supervisor, pidOfNewConnection, slots, write } = await edge();
  const before = await pidOfNewConnection();
  write((plan) => {
    plan.apps[0]!.hostnames = [behaviour];
    plan.slots.readyTimeout = readyTimeout;
  });
  expect(await supervisor.restart()).toEqual({ fault });
  await until(() => slots().join() === 'blue 1 accepting');
  expect(await pidOfNewConnection()).toBe(before);
  expect(await scraped(supervisor, slot('flips_count', 'green', 'result="failed"'))).toBe(1);
  // The colour is still free for the next one.
  write(() => {});
  expect(await supervisor.restart()).toHaveProperty('changes');
  await until(() => slots().join() === 'green 3 accepting');
  expect(await scraped(supervisor, slot('flips_count', 'green', 'result="served"'))).toBe(1);
});

test('workers of a new slot that crash once it serves are replaced like any', async () => {
  const { supervisor, slots, write } = await edge();
  write((plan) => (plan.apps[0]!.hostnames = ['crash-serving']));
  expect(await supervisor.restart()).toHaveProperty('changes');
  await until(() => slots().join() === 'green 2 accepting');
  await until(() => supervisor.status.slots[0]!.restarts >= 2);
  expect(await scraped(supervisor, slot('worker_restarts_count', 'green', 'reason="exit"'))).toBeGreaterThan(1);
  // A restart is the way out.
  write(() => {});
  expect(await supervisor.restart()).toHaveProperty('changes');
  await until(() => slots().join() === 'blue 3 accepting');
});

test("the old slot's worker that dies during the hand-over is replaced", async () => {
  const { supervisor, pidOfNewConnection, slots, write } = await edge();
  const before = await pidOfNewConnection();
  write((plan) => {
    plan.apps[0]!.hostnames = ['silent'];
    plan.slots.readyTimeout = 8_000;
  });
  const restarted = supervisor.restart();
  await until(() => slots().includes('green 2 starting'));
  process.kill(before, 'SIGKILL');
  expect(await pidOfNewConnection()).not.toBe(before);
  expect(slots()).toContain('green 2 starting');
  expect(await restarted).toHaveProperty('fault');
  expect(await scraped(supervisor, slot('worker_restarts_count', 'blue', 'reason="signal"'))).toBe(1);
});

test('a faulty configuration is refused with all its faults, each logged', async () => {
  const { supervisor, spoil, slots, log } = await edge();
  spoil('no app: write one', 'wrong: write another');
  const lines = ['edge.toml:1:1: no app: write one', 'edge.toml:2:1: wrong: write another'];
  expect(await supervisor.restart()).toEqual({ fault: lines.join('\n') });
  expect(log.filter(({ msg }) => msg === 'the restart failed').map(({ reason }) => reason)).toEqual(lines);
  expect(slots()).toEqual(['blue 1 accepting']);
  expect(await scraped(supervisor, slot('flips_count', 'green', 'result="refused"'))).toBe(1);
});

test('what a running edge cannot change is refused', async () => {
  const { supervisor, write, slots } = await edge();
  write((plan) => {
    plan.region = 'ord';
    plan.metrics.buckets = [1];
  });
  const how = 'cannot change while the edge runs: write the old value, or stop it and run it again';
  expect(await supervisor.restart()).toEqual({ fault: `region ${how}\nmetrics.buckets ${how}` });
  expect(slots()).toEqual(['blue 1 accepting']);
});

test('added listeners open and removed ones close with the flip; their connections drain', async () => {
  const { supervisor, port, slots, write } = await edge();
  const old = await client(port);
  const before = await ask(old, 'pid');
  write((plan) => (plan.listeners = [listener(plan, 'added')]));
  const restarted = await supervisor.restart();
  expect(restarted).toMatchObject({ changes: expect.arrayContaining([expect.stringMatching(/^listeners: 1; added/)]) });
  const added = supervisor.status.listeners[0]!;
  expect(supervisor.status.listeners).toMatchObject([{ key: 'added' }]);
  expect(await ask(await client(added.port), 'pid')).not.toBe(before);
  await until(() => refused(port));
  expect(await ask(old, 'pid')).toBe(before);
  old.destroy();
  await until(() => slots().join() === 'green 2 accepting');
});

test('an added port that another process has is refused, and nothing changes', async () => {
  const { supervisor, pidOfNewConnection, write } = await edge();
  const before = await pidOfNewConnection();
  const other = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const taken = (other.address() as net.AddressInfo).port;
  write((plan) => plan.listeners.push(listener(plan, 'free'), listener(plan, 'taken', taken)));
  expect(await supervisor.restart()).toEqual({
    fault: `--listen: 127.0.0.1:${taken} is in use by another process, pid ${process.pid} (node)`,
  });
  expect(supervisor.status.listeners).toHaveLength(1);
  expect(await pidOfNewConnection()).toBe(before);
  await new Promise((resolve) => other.close(resolve));
  expect(await supervisor.restart()).toHaveProperty('changes');
  expect(supervisor.status.listeners).toHaveLength(3);
});

test('no counter falls, and both colours together are what clients did, over many flips', async () => {
  const { supervisor, port, slots } = await edge();
  let made = 0;
  let last = { blue: 0, green: 0 };
  for (let flip = 0; flip < 5; flip++) {
    const sockets = await Promise.all([1, 2, 3].map(() => client(port)));
    for (const socket of sockets) await ask(socket, 'pid');
    made += sockets.length;
    expect(await supervisor.restart()).toHaveProperty('changes');
    const now = {
      blue: (await scraped(supervisor, connects('blue')))!,
      green: (await scraped(supervisor, connects('green')))!,
    };
    expect(now.blue).toBeGreaterThanOrEqual(last.blue);
    expect(now.green).toBeGreaterThanOrEqual(last.green);
    expect(now.blue + now.green).toBe(made);
    last = now;
    for (const socket of sockets) socket.destroy();
  }
  await until(() => slots().length === 1);
  expect(slots()).toEqual(['green 6 accepting']);
  expect(last.blue).toBe(9);
  expect(last.green).toBe(6);
});

test('a second restart waits for the first, and those that wait for the same are one', async () => {
  const { supervisor, slots } = await edge();
  const first = supervisor.restart();
  await until(() => slots().length === 2);
  const [second, third] = [supervisor.restart(), supervisor.restart()];
  expect(await first).toMatchObject({
    changes: expect.arrayContaining([expect.stringContaining('generation 2, serves')]),
  });
  expect(await second).toMatchObject({
    changes: expect.arrayContaining([expect.stringContaining('generation 3, serves')]),
  });
  expect(await third).toEqual(await second);
  await until(() => slots().join() === 'blue 3 accepting');
});

test('generations drain together, two of a colour in the same series; one more cuts the oldest', async () => {
  const { supervisor, port, slots, log } = await edge((plan) => (plan.slots.maxDraining = 2));
  const sockets: net.Socket[] = [];
  for (let flip = 0; flip < 3; flip++) {
    const socket = await client(port);
    await ask(socket, 'pid');
    sockets.push(socket);
    if (flip < 2) expect(await supervisor.restart()).toHaveProperty('changes');
  }
  expect(slots()).toEqual(['blue 1 draining', 'green 2 draining', 'blue 3 accepting']);
  expect(await scraped(supervisor, connects('blue'))).toBe(2);
  expect(await scraped(supervisor, slot('state', 'blue', 'state="draining"'))).toBe(1);
  expect(await scraped(supervisor, slot('state', 'blue', 'state="accepting"'))).toBe(1);
  expect(await scraped(supervisor, slot('generation', 'blue'))).toBe(3);
  expect(await supervisor.restart()).toHaveProperty('changes');
  await until(() => slots().join() === 'green 2 draining,blue 3 draining,green 4 accepting');
  expect(sockets.map((socket) => socket.destroyed)).toEqual([true, false, false]);
  expect(log.some(({ msg }) => String(msg).includes('max_draining'))).toBe(true);
  await until(async () => (await scraped(supervisor, slot('drain_cut_count', 'blue'))) === 1);
  expect(await scraped(supervisor, slot('drain_time_seconds_count', 'blue'))).toBe(1);
});

test("each colour tells its newest generation's limits, and they go with it", async () => {
  const limit = (kind: 'soft' | 'hard', colour: 'blue' | 'green') =>
    `fly_app_${kind}_limit{app="demo",region="local",host="0000",instance="local",proxy_id="${colour}"}`;
  const limits = (soft: number, hard: number | null) => (plan: Plan) =>
    Object.assign(plan.apps[0]!.services[0]!.concurrency, { soft, hard });
  const { supervisor, port, slots, write } = await edge(limits(10, 15));
  const told = async () =>
    Promise.all(
      (['blue', 'green'] as const).flatMap((colour) =>
        (['soft', 'hard'] as const).map((kind) => scraped(supervisor, limit(kind, colour))),
      ),
    );
  expect(await told()).toEqual([10, 15, undefined, undefined]);
  const sockets: net.Socket[] = [];
  const flip = async (change: (plan: Plan) => void) => {
    const socket = await client(port);
    await ask(socket, 'pid');
    sockets.push(socket);
    write(change);
    expect(await supervisor.restart()).toHaveProperty('changes');
  };
  await flip(limits(20, null));
  expect(await told()).toEqual([10, 15, 20, undefined]);
  await flip(limits(30, 40));
  expect(slots()).toEqual(['blue 1 draining', 'green 2 draining', 'blue 3 accepting']);
  expect(await told()).toEqual([30, 40, 20, undefined]);
  for (const socket of sockets) socket.destroy();
  await until(() => slots().join() === 'blue 3 accepting');
  expect(await told()).toEqual([30, 40, undefined, undefined]);
});

test('a stop during a drain ends all generations', async () => {
  const { supervisor, port, slots } = await edge();
  const old = await client(port);
  await ask(old, 'pid');
  await supervisor.restart();
  const stopped = supervisor.stop();
  await until(() => slots().includes('blue 1 draining'));
  old.destroy();
  expect(await stopped).toBe(0);
  await supervisor.ended;
  expect(await refused(port)).toBe(true);
});

test('a stop while the new slot starts ends both', async () => {
  const { supervisor, slots, write } = await edge();
  write((plan) => (plan.apps[0]!.hostnames = ['silent']));
  const restarted = supervisor.restart();
  await until(() => slots().includes('green 2 starting'));
  await supervisor.stop();
  expect(await restarted).toEqual({ fault: 'it was stopped before it was ready' });
  await supervisor.ended;
  expect(await supervisor.restart()).toEqual({ fault: 'the edge is stopping' });
});

test('ticket keys rotate in both slots, and the next slot has them', async () => {
  const { supervisor, port } = await edge();
  const old = await client(port);
  const [first] = (await ask(old, 'keys')).split(',');
  await supervisor.restart();
  const now = await client(port);
  expect(await ask(now, 'keys')).toBe(first);
  supervisor.rotateTicketKeys();
  const rotated = await until(async () => {
    const keys = await ask(now, 'keys');
    return keys.includes(',') ? keys : null;
  });
  expect(rotated!.split(',')[1]).toBe(first);
  await until(async () => (await ask(old, 'keys')) === rotated);
  await supervisor.restart();
  expect(await ask(await client(port), 'keys')).toBe(rotated);
});

test('a slot that drains learns what the one that serves finds out about the same instances', async () => {
  const { supervisor, port } = await edge((plan) => (plan.apps[0]!.services[0]!.upstreams[0]!.key = 'u'));
  const old = await client(port);
  await ask(old, 'pid');
  await supervisor.restart();
  const now = await client(port);
  now.write('sick');
  await until(async () => (await ask(old, 'health')).includes('u=false'));
});

test('a worker that hangs is replaced; scrapes go on', async () => {
  const { supervisor, port, pidOfNewConnection, log } = await edge();
  const socket = await client(port);
  const before = Number(await ask(socket, 'pid'));
  expect(await scraped(supervisor, connects('blue'))).toBe(1);
  socket.write('hang');
  await until(async () => {
    expect(await scraped(supervisor, connects('blue'))).toBe(1);
    return supervisor.status.slots[0]!.restarts === 1;
  }, 20_000);
  expect(await pidOfNewConnection()).not.toBe(before);
  expect(log.map(({ msg }) => msg)).toContain('a worker hangs and is ended');
  expect(await scraped(supervisor, slot('worker_restarts_count', 'blue', 'reason="hang"'))).toBe(1);
});

test('a drain does not wait for a worker that hangs', async () => {
  const { supervisor, port, slots } = await edge();
  const socket = await client(port);
  await ask(socket, 'pid');
  expect(await scraped(supervisor, connects('blue'))).toBe(1);
  socket.write('hang');
  await supervisor.restart();
  await until(() => slots().join() === 'green 2 accepting', 20_000);
  await until(async () => (await scraped(supervisor, slot('drain_cut_count', 'blue'))) === 1);
});

test("the edge's own series: born at 0, on the whole page and the operator's", async () => {
  const organizations = [
    { slug: 'personal', id: 1 },
    { slug: 'ops', id: 2, operator: true },
  ];
  const { supervisor } = await edge((plan) => (plan.organizations = organizations));
  for (const colour of ['blue', 'green'] as const) {
    for (const result of ['served', 'refused', 'failed'])
      expect(await scraped(supervisor, slot('flips_count', colour, `result="${result}"`))).toBe(0);
    for (const reason of ['exit', 'signal', 'hang'])
      expect(await scraped(supervisor, slot('worker_restarts_count', colour, `reason="${reason}"`))).toBe(0);
    expect(await scraped(supervisor, slot('drain_time_seconds_count', colour))).toBe(0);
    expect(await scraped(supervisor, slot('generation', colour))).toBe(colour === 'blue' ? 1 : 0);
    expect(await scraped(supervisor, slot('state', colour, 'state="accepting"'))).toBe(colour === 'blue' ? 1 : 0);
  }
  const { version } = supervisor.status;
  expect(await scraped(supervisor, slot('build_info', 'blue', `version="${version}"`))).toBe(1);
  expect(await scraped(supervisor, `fly_supervisor_build_info{version="${version}"}`)).toBe(1);
  const { address, port } = supervisor.status.metrics;
  const page = async (org: string) => (await fetch(`http://${address}:${port}/metrics?org=${org}`)).text();
  const personal = await page('personal');
  expect(personal).toContain('fly_edge_');
  expect(personal).not.toMatch(/fly_slot|fly_supervisor/);
  const ops = await page('ops');
  expect(ops).toMatch(/fly_slot_generation.*\n(.*\n)*fly_supervisor_build_info/);
  expect(ops).not.toContain('app="demo"');
});

test('restart through the control socket, with another file', async () => {
  const path = join(temporaryFolder(), 'edge.sock');
  const plan = testPlan((plan) => (plan.slots.control = path));
  const read: (string | null)[] = [];
  const load = async (file: string | null): Promise<Loaded> => {
    read.push(file);
    const faults = [{ file: 'edge.toml', line: 1, column: 1, message: 'bad' }];
    return file === '/bad.toml' ? { plan: null, faults, warnings: [] } : { plan, faults: [], warnings: [] };
  };
  const supervisor = testSupervisor(plan, load);
  await supervisor.start();
  expect(await control(path, { command: 'restart', config: '/bad.toml' })).toEqual({
    ok: false,
    reason: 'edge.toml:1:1: bad',
  });
  expect(await control(path, { command: 'restart', config: '/good.toml' })).toMatchObject({ ok: true });
  // What served last is what a signal reads again.
  expect(await supervisor.restart()).toHaveProperty('changes');
  expect(read).toEqual(['/bad.toml', '/good.toml', '/good.toml']);
});

async function refused(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', () => resolve(true));
  });
}

const steps: [step: string, prototype: object, method: string][] = [
  ['opening the sockets', ListeningSockets.prototype, 'open'],
  ['bringing up the slot', Slots.prototype, 'serve'],
  ['adding its generation', Generations.prototype, 'add'],
  ['starting its workers', WorkerPool.prototype, 'start'],
  ['waiting for them', Slot.prototype, 'start'],
  ['handing over the sockets', ListeningSockets.prototype, 'of'],
  ['letting them accept', Slot.prototype, 'accept'],
];

test.for(steps)(
  'a fault while %s: the restart says so, the old slot serves on, the next restart works',
  async ([, prototype, method]) => {
    const { supervisor, pidOfNewConnection, slots } = await edge();
    const before = await pidOfNewConnection();
    const fault = vi.spyOn(prototype as Record<string, () => unknown>, method).mockImplementationOnce(() => {
      throw new RangeError('injected');
    });
    try {
      expect(await supervisor.restart()).toMatchObject({ fault: expect.stringContaining('injected') });
    } finally {
      fault.mockRestore();
    }
    await until(() => slots().length === 1);
    expect(slots()).toEqual(['blue 1 accepting']);
    expect(await pidOfNewConnection()).toBe(before);
    expect(await supervisor.restart()).toMatchObject({ changes: expect.any(Array) });
    expect(await pidOfNewConnection()).not.toBe(before);
  },
);

test('a configuration that cannot be read, in whatever way: the old slot serves on', async () => {
  const { supervisor, pidOfNewConnection, slots } = await edge();
  const before = await pidOfNewConnection();
  const configuration = vi.spyOn(Configuration.prototype, 'plan', 'get').mockImplementationOnce(() => {
    throw new Error('injected');
  });
  expect(await supervisor.restart()).toMatchObject({ fault: expect.stringContaining('injected') });
  configuration.mockRestore();
  expect(slots()).toEqual(['blue 1 accepting']);
  expect(await pidOfNewConnection()).toBe(before);
});
