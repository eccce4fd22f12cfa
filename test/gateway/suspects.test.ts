import { describe, expect, test } from 'vitest';
import type { End, Outcome, Sending } from '../../src/gateway/engine-client.ts';
import { type Suspect, Suspects, type SuspectsOptions, type Verdict } from '../../src/gateway/suspects.ts';
import { until } from '../helpers/until.ts';

/** An engine that ends, for all whom it works for, with each killer. */
class FakeEngine {
  /** Texts that reached it, in order. */
  readonly reached: string[] = [];
  readonly #condemned = new Set<string>();
  readonly #working = new Map<PromiseWithResolvers<End>, string>();
  up = true;
  readonly suspects: Suspects;

  constructor(options: Partial<SuspectsOptions> = {}) {
    this.suspects = new Suspects({
      back: async (until) => {
        while (!this.up && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 1));
        return this.up;
      },
      restarts: true,
      patience: 1_000,
      ...options,
    });
  }

  ask(text: string, timeout = 10_000): Promise<Verdict> {
    const suspect: Suspect = {
      deadline: performance.now() + timeout,
      condemned: () => this.#condemned.has(text),
      condemn: () => void this.#condemned.add(text),
      send: (head): Sending => {
        const done = this.#send(text, head);
        const late = new Promise<Outcome>((resolve) =>
          setTimeout(() => resolve('late'), Math.max(0, suspect.deadline - performance.now())).unref(),
        );
        return { outcome: Promise.race([done, late]), done };
      },
    };
    return this.suspects.run(suspect);
  }

  async #send(text: string, head: () => void): Promise<End> {
    if (!this.up) return 'refused';
    this.reached.push(text);
    if (text.startsWith('killer')) {
      await Promise.resolve();
      this.end();
      return 'broken';
    }
    if (text.startsWith('late killer')) {
      head();
      return 'broken';
    }
    const work = Promise.withResolvers<End>();
    this.#working.set(work, text);
    // In a trial nothing else is there to hold it up.
    if (!text.startsWith('slow') || this.reached.filter((each) => each === text).length > 1) this.finish(text);
    return work.promise;
  }

  finish(text: string): void {
    for (const [work, each] of this.#working) if (each === text) this.#settle(work, 'answered');
  }

  end(): void {
    for (const work of this.#working.keys()) this.#settle(work, 'broken');
  }

  get working(): string[] {
    return [...this.#working.values()];
  }

  #settle(work: PromiseWithResolvers<End>, outcome: End): void {
    this.#working.delete(work);
    work.resolve(outcome);
  }
}

test('a query that breaks nothing is sent once', async () => {
  const engine = new FakeEngine();
  expect(await Promise.all([engine.ask('a'), engine.ask('b')])).toEqual(['answered', 'answered']);
  expect(engine.reached).toEqual(['a', 'b']);
});

test('the guilty one is found among many, and all others get their answers', async () => {
  const engine = new FakeEngine();
  const others = Array.from({ length: 20 }, (_, i) => engine.ask(`slow ${i}`));
  await until(() => engine.working.length === 20);
  const verdict = await engine.ask('killer');
  expect(verdict).toBe('guilty');
  expect(new Set(await Promise.all(others))).toEqual(new Set(['answered']));
  // Twice the killer, and the others no more often than that.
  expect(engine.reached.filter((text) => text === 'killer')).toHaveLength(2);
  expect(engine.reached.length).toBeLessThanOrEqual(42);
});

test('from then on its text reaches the engine no more', async () => {
  const engine = new FakeEngine();
  await engine.ask('killer');
  expect(await Promise.all(Array.from({ length: 5 }, () => engine.ask('killer')))).toEqual(Array(5).fill('guilty'));
  expect(engine.reached).toEqual(['killer', 'killer']);
});

test('many of one text at once are tried once, not each', async () => {
  const engine = new FakeEngine();
  expect(await Promise.all(Array.from({ length: 8 }, () => engine.ask('killer')))).toEqual(Array(8).fill('guilty'));
  expect(engine.reached.length).toBeLessThanOrEqual(9);
});

test('newcomers wait while suspects are tried, so that none of them is blamed', async () => {
  const engine = new FakeEngine();
  const first = engine.ask('slow innocent');
  await until(() => engine.working.length === 1);
  engine.up = false;
  engine.end();
  await Promise.resolve();
  const newcomer = engine.ask('newcomer');
  await new Promise(setImmediate);
  expect(engine.reached).toEqual(['slow innocent']);
  engine.up = true;
  expect(await Promise.all([first, newcomer])).toEqual(['answered', 'answered']);
  expect(engine.reached).toEqual(['slow innocent', 'slow innocent', 'newcomer']);
});

test('one whose connection breaks right after its answer began is a suspect too', async () => {
  const engine = new FakeEngine();
  expect(await engine.ask('late killer')).toBe('guilty');
  expect(await engine.ask('late killer')).toBe('guilty');
  expect(engine.reached).toEqual(['late killer', 'late killer']);
});

describe('one that is late', () => {
  /** It is told so when its time is over, and the engine goes on. */
  async function late(text: string, overtime: number) {
    const engine = new FakeEngine();
    expect(await engine.ask(text, 20)).toBe('late');
    expect(engine.working).toEqual([text]);
    await new Promise((resolve) => setTimeout(resolve, overtime));
    return engine;
  }

  test('is guilty when the engine ends long after, with all others tried', async () => {
    const engine = await late('slow and doubling', 1_100);
    const other = engine.ask('slow innocent');
    await until(() => engine.working.length === 2);
    engine.end();
    expect(await other).toBe('answered');
    const before = engine.reached.length;
    expect(await engine.ask('slow and doubling')).toBe('guilty');
    expect(engine.reached).toHaveLength(before);
  });

  test('is not when the engine ends right after: it may have been about to stop it', async () => {
    const engine = await late('slow one', 0);
    engine.end();
    expect(await engine.ask('slow one')).toBe('answered');
  });

  test('is not when the engine is done with it in the end', async () => {
    const engine = await late('slow one', 1_100);
    engine.finish('slow one');
    engine.end();
    expect(await engine.ask('slow one')).toBe('answered');
  });

  test('is waited for before others are tried, or they would be blamed; not for longer than they have', async () => {
    const engine = await late('slow and doubling', 0);
    const verdicts = [engine.ask('late killer', 500)];
    await until(() => engine.reached.includes('late killer'));
    await new Promise(setImmediate);
    expect(await Promise.all([...verdicts, engine.ask('newcomer', 100)])).toEqual(['late', 'late']);
    expect(engine.reached).toEqual(['slow and doubling', 'late killer']);
  });
});

describe('while the engine is away', () => {
  test('suspects are given up when it does not come back', async () => {
    const engine = new FakeEngine({ patience: 20 });
    const asked = engine.ask('slow one');
    await until(() => engine.working.length === 1);
    engine.up = false;
    engine.end();
    expect(await asked).toBe('refused');
  });

  test("a suspect's own deadline ends its wait", async () => {
    const engine = new FakeEngine();
    const asked = engine.ask('slow one', 30);
    await until(() => engine.working.length === 1);
    engine.up = false;
    engine.end();
    expect(await asked).toBe('late');
  });

  test('newcomers are told at once when nobody starts it again', async () => {
    const engine = new FakeEngine({ restarts: false });
    engine.up = false;
    expect(await engine.ask('a')).toBe('refused');
    engine.up = true;
    const suspect = engine.ask('slow one');
    await until(() => engine.working.length === 1);
    engine.up = false;
    engine.end();
    await until(async () => (await engine.ask('newcomer')) === 'refused');
    engine.up = true;
    expect(await suspect).toBe('answered');
  });

  test('newcomers wait for it when it is started again', async () => {
    const engine = new FakeEngine();
    engine.up = false;
    const asked = engine.ask('a');
    await new Promise(setImmediate);
    engine.up = true;
    expect(await asked).toBe('answered');
  });
});
