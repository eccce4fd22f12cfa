/** Runs an app under an agent, as its only child. */

import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent } from './agent.ts';
import { App, type NotStarted } from './app.ts';
import type { CollectorOptions } from './collector.ts';
import { reapOrphans } from './orphans.ts';
import { inForeground } from './terminal.ts';

/** Passed on to the app. SIGKILL and SIGSTOP cannot be. */
const forwarded = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;
/** A terminal sends these to the app itself, as to every process that it is the terminal of. */
const fromTerminal: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH']);
/** They ask the app to end: who sends them waits for it, and knows of it. */
const endings: ReadonlySet<NodeJS.Signals> = new Set(['SIGTERM', 'SIGINT', 'SIGQUIT']);
/** Exit codes of an app that SIGQUIT has ended. Others go on after it: a JVM shows its stacks. */
const endedByQuit: ReadonlySet<number> = new Set([0, 128 + constants.signals.SIGQUIT]);

/**
 * running    signals go to the app
 * lingering  it has ended: until all scrapers know how, or `linger` is over, or a signal comes
 */
type State = { name: 'running'; app: App } | { name: 'lingering'; leave: () => void };

/**
 * @param linger milliseconds that the end may be told after it, at most.
 * @returns the app's exit code, as a shell reports it.
 */
export async function runApp(
  agent: Agent,
  [command, ...args]: [string, ...string[]],
  options: CollectorOptions,
  linger: number,
): Promise<number | NotStarted> {
  let state: State | undefined;
  const asked = new Set<NodeJS.Signals>();
  for (const signal of forwarded) {
    process.on(signal, () => {
      asked.add(signal);
      if (state?.name === 'running' && !(fromTerminal.has(signal) && inForeground())) state.app.signal(signal);
      else if (state?.name === 'lingering' && endings.has(signal)) state.leave();
    });
  }
  await reapOrphans(options.tell, () => (state?.name === 'running' ? state.app.pid : undefined));
  const app = await App.start(command, args, options);
  if ('fault' in app) return app;
  state = { name: 'running', app };
  const end = await app.ended;
  const left = Promise.withResolvers<void>();
  state = { name: 'lingering', leave: left.resolve };
  const told = agent.report(end);
  const wanted = asked.has('SIGTERM') || asked.has('SIGINT') || (asked.has('SIGQUIT') && endedByQuit.has(end.code));
  if (!wanted) await Promise.race([told, left.promise, delay(linger)]);
  // Another scraper may have asked at the same time.
  await agent.finish();
  return end.code;
}
