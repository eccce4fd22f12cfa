import { describe, expect, test } from 'vitest';
import { type LeaseStep, Leases } from '../../src/supervisor/leases.ts';
import { seeded } from '../helpers/random.ts';

const key = 'demo/0/a';

function leases(hard: number, ...workers: number[]): Leases {
  const result = new Leases();
  result.limit(key, hard);
  for (const worker of workers) result.join(worker);
  return result;
}

const grant = (worker: number, permits: number): LeaseStep => ({ type: 'grant', worker, key, permits });
const recall = (worker: number, owed: number): LeaseStep => ({ type: 'recall', worker, key, owed });

test('a lone worker gets all at once', () => {
  expect(leases(10, 1).lease(1, key, 1)).toEqual([grant(1, 10)]);
});

test('among several it gets what it wants, or half of what is free', () => {
  const pool = leases(10, 1, 2);
  expect(pool.lease(1, key, 1)).toEqual([grant(1, 5)]);
  expect(pool.lease(2, key, 4)).toEqual([grant(2, 4)]);
  expect(pool.lease(2, key, 1)).toEqual([grant(2, 1)]);
});

test('when all are given, those above the fair share owe; what comes back goes to who waits', () => {
  const pool = leases(10, 1, 2);
  pool.lease(1, key, 10);
  expect(pool.lease(2, key, 3)).toEqual([recall(1, 3)]);
  expect(pool.release(1, key, 1)).toEqual([grant(2, 1)]);
  expect(pool.lease(2, key, 2)).toEqual([]);
  expect(pool.release(1, key, 2)).toEqual([grant(2, 2)]);
});

test('nobody owes below the fair share, but idle permits are asked for', () => {
  const pool = leases(4, 1, 2);
  pool.lease(1, key, 2);
  pool.lease(2, key, 2);
  expect(pool.lease(1, key, 5)).toEqual([recall(2, 0)]);
  expect(pool.lease(2, key, 5)).toEqual([]);
});

test('a reminder asks again while somebody waits', () => {
  const pool = leases(4, 1, 2);
  pool.lease(1, key, 2);
  pool.lease(2, key, 2);
  expect(pool.remind()).toEqual([]);
  pool.lease(1, key, 1);
  expect(pool.remind()).toEqual([recall(2, 0)]);
});

test('a dead worker leaves its permits to who waits', () => {
  const pool = leases(4, 1, 2);
  pool.lease(1, key, 4);
  pool.lease(2, key, 2);
  expect(pool.leave(1)).toEqual([grant(2, 4)]);
  expect(pool.held(key)).toBe(4);
});

test('a lower limit takes effect as permits come back, a higher one at once', () => {
  const pool = leases(4, 1, 2);
  pool.lease(1, key, 4);
  pool.lease(2, key, 2);
  expect(pool.limit(key, 2)).toEqual([recall(1, 3)]);
  expect(pool.release(1, key, 2)).toEqual([]);
  expect(pool.release(1, key, 1)).toEqual([grant(2, 1)]);
  pool.lease(2, key, 2);
  expect(pool.limit(key, 5)).toEqual([grant(2, 2)]);
});

test('what no plan limits needs no lease', () => {
  expect(leases(1, 1).lease(1, 'other', 1)).toEqual([]);
});

describe('another one that leads from now on', () => {
  test('knows what is held, who waits and who owes', () => {
    const pool = leases(4, 1, 2);
    pool.lease(1, key, 4);
    pool.lease(2, key, 2);
    const next = leases(4, 1, 2, 3);
    expect(next.adopt(structuredClone(pool.snapshot()))).toEqual([]);
    expect(next.held(key)).toBe(4);
    expect(next.lease(3, key, 1)).toEqual([recall(1, 3)]);
    expect(next.release(1, key, 2)).toEqual([grant(2, 1), grant(3, 1)]);
    expect(next.held(key)).toBe(4);
  });

  test("has its own limit where both have one, and the other's where it has none", () => {
    const pool = leases(4, 1);
    pool.lease(1, key, 4);
    const higher = leases(6, 1, 2);
    higher.adopt(structuredClone(pool.snapshot()));
    expect(higher.lease(2, key, 5)).toEqual([grant(2, 2)]);
    const none = new Leases();
    none.join(1);
    none.join(2);
    none.adopt(structuredClone(pool.snapshot()));
    expect(none.lease(2, key, 1)).toEqual([recall(1, 1)]);
  });

  test('forgets who is gone by then', () => {
    const pool = leases(4, 1, 2);
    pool.lease(1, key, 2);
    pool.lease(2, key, 2);
    const next = leases(4, 2);
    next.adopt(structuredClone(pool.snapshot()));
    expect(next.held(key)).toBe(2);
  });
});

test('an upstream of no plan is forgotten once nobody holds or waits for a permit', () => {
  const pool = leases(4, 1);
  pool.lease(1, key, 1);
  pool.retain(new Set());
  expect(pool.held(key)).toBe(4);
  pool.release(1, key, 4);
  pool.retain(new Set());
  expect(pool.snapshot()).toEqual([]);
});

/** A worker as the contract has it: `enter` when it has a permit, else it queues and asks. */
class Model {
  granted = 0;
  inFlight = 0;
  queued = 0;
  owed = 0;
  asking = false;
  served = 0;

  serve(): void {
    while (this.queued > 0 && this.inFlight < this.granted - this.owed) {
      this.queued--;
      this.inFlight++;
      this.served++;
    }
  }
}

describe('any number of workers and any limit, in any order of events', () => {
  test.for(Array.from({ length: 300 }, (_, seed) => seed))('seed %i', (seed) => {
    const random = seeded(seed);
    const hard = 1 + Math.floor(random() * 12);
    const count = 1 + Math.floor(random() * 5);
    const pool = leases(hard);
    const models = new Map<number, Model>();
    /** Steps reach workers later than calls return, in order. */
    const channel: LeaseStep[] = [];
    let next = 0;
    const join = () => {
      pool.join(++next);
      models.set(next, new Model());
    };
    for (let i = 0; i < count; i++) join();

    const release = (id: number, permits: number) => {
      models.get(id)!.granted -= permits;
      channel.push(...pool.release(id, key, permits));
    };
    const settle = (id: number) => {
      const model = models.get(id)!;
      const back = Math.min(model.owed, model.granted - model.inFlight);
      if (back > 0) {
        model.owed -= back;
        release(id, back);
      }
      model.serve();
      if (model.queued > 0 && !model.asking) {
        model.asking = true;
        channel.push(...pool.lease(id, key, model.queued));
      }
    };
    const deliver = () => {
      const step = channel.shift();
      const model = step && models.get(step.worker);
      if (!step || !model) return;
      if (step.type === 'grant') {
        model.granted += step.permits;
        model.owed = 0;
        model.asking = false;
      } else {
        model.owed = Math.max(step.owed, model.granted - model.inFlight);
      }
      settle(step.worker);
    };
    const check = () => {
      let granted = 0;
      let inFlight = 0;
      for (const model of models.values()) {
        granted += model.granted;
        inFlight += model.inFlight;
        if (model.inFlight > model.granted) throw new Error('more in flight than granted');
      }
      const held = pool.held(key);
      if (held > hard || granted > held || inFlight > hard) {
        throw new Error(`limit ${hard}, held ${held}, granted ${granted}, in flight ${inFlight}`);
      }
    };
    const pick = () => [...models.keys()][Math.floor(random() * models.size)]!;
    const finish = (id: number) => {
      const model = models.get(id)!;
      if (model.inFlight === 0) return;
      model.inFlight--;
      settle(id);
    };

    for (let i = 0; i < 400; i++) {
      const what = random();
      if (what < 0.35) {
        const id = pick();
        models.get(id)!.queued++;
        settle(id);
      } else if (what < 0.65) finish(pick());
      else if (what < 0.97) deliver();
      else if (what < 0.98) channel.push(...pool.remind());
      else {
        const id = pick();
        models.delete(id);
        channel.push(...pool.leave(id));
        join();
      }
      check();
    }

    // Under load that never ends each worker is served again and again.
    const before = new Map([...models].map(([id, model]) => [id, model.served]));
    for (const model of models.values()) model.queued += 1_000_000;
    for (const id of models.keys()) settle(id);
    for (let i = 0; i < 4000; i++) {
      if (random() < 0.4) finish(pick());
      else deliver();
      if (i % 50 === 0) channel.push(...pool.remind());
      check();
    }
    for (const [id, model] of models) expect(model.served - before.get(id)!, `worker ${id}`).toBeGreaterThan(5);
  });
});
