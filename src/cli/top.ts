import { access, constants } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import { type Address, formatAddress } from '../config/address.ts';
import type { Plan } from '../config/plan.ts';
import { reachable } from '../metrics/scrape-config.ts';
import { LiveStore } from '../page/model/live-store.ts';
import { control } from '../supervisor/control.ts';
import { frame, type Line } from '../top/frame.ts';
import { poll } from '../top/poll.ts';
import { Screen, styled } from '../top/screen.ts';
import { readPlan, wholeSeconds, withConfig } from './config.ts';
import { complain, exitCode } from './exit.ts';
import { endings } from './signals.ts';

/** Pages that are kept: rates are taken over the last seconds. */
const pages = 30;

export function topCommand(program: Command): void {
  withConfig(program.command('top'))
    .description('what the edge does now, in a terminal')
    .option('--interval <duration>', 'time between two looks', '2s')
    .option('--once', 'print it once, as it does without a terminal')
    .action(async ({ config, interval, once }: { config: string; interval: string; once?: true }) => {
      const plan = await readPlan(config);
      const seconds = wholeSeconds(interval);
      if (seconds === null) complain('--interval: write "2s", at least a second');
      if (plan === null || seconds === null) return void (process.exitCode = exitCode.usage);
      if (once || !process.stdout.isTTY) process.exitCode = await print(plan, seconds);
      else await show(plan, seconds);
    });
}

/** Reads the page of this configuration's edge into the store. @returns where it is, or why it could not be read. */
async function look(plan: Plan, store: LiveStore): Promise<{ url: string } | { fault: string }> {
  const address = await metricsOf(plan);
  if (typeof address === 'string') return { fault: address };
  const url = `http://${formatAddress(reachable(address))}/metrics`;
  const fault = await poll(url, store);
  return fault === null ? { url } : { fault: `the edge does not answer: ${fault}` };
}

/**
 * Where the edge says that its series are: the file may have changed since it was read, and another edge may have its place.
 * Who may not ask, since the control socket is another user's, takes the file's word.
 */
async function metricsOf(plan: Plan): Promise<Address | string> {
  const path = plan.slots.control!;
  if (await access(path, constants.W_OK).catch(({ code }) => code === 'EACCES')) return plan.metrics;
  const response = await control(path, { command: 'status' });
  if (!response.ok) return response.reason;
  const { address: host, port } = response.status.metrics;
  return { host, port };
}

/** A rate takes two pages. */
async function print(plan: Plan, seconds: number): Promise<number> {
  const store = new LiveStore(pages);
  for (let page = 0; page < 2; page++) {
    if (page > 0) await setTimeout(seconds * 1000);
    const looked = await look(plan, store);
    if ('url' in looked) continue;
    complain(looked.fault);
    return exitCode.failed;
  }
  for (const line of frame(store, Number.POSITIVE_INFINITY)) process.stdout.write(`${styled(line, process.stdout)}\n`);
  return exitCode.done;
}

/** Until q or Ctrl-C. */
async function show(plan: Plan, seconds: number): Promise<void> {
  const store = new LiveStore(pages);
  const screen = new Screen(process.stdout);
  const quit = new AbortController();
  const keys = (pressed: Buffer) => {
    // Ctrl-C is a key in raw mode.
    if (['q', 'Q', '\x03'].includes(pressed.toString())) quit.abort();
  };
  process.stdin.setRawMode?.(true).on('data', keys);
  for (const signal of [...endings, 'SIGHUP'] as const) process.once(signal, () => quit.abort());
  let looked = await look(plan, store);
  const draw = () => screen.draw([top(looked), ...frame(store, screen.rows - 1)]);
  process.stdout.on('resize', draw);
  try {
    while (!quit.signal.aborted) {
      draw();
      await setTimeout(seconds * 1000, null, { signal: quit.signal }).catch(() => {});
      looked = await look(plan, store);
    }
  } finally {
    process.stdout.off('resize', draw);
    process.stdin.setRawMode?.(false);
    screen.close();
  }
}

function top(looked: { url: string } | { fault: string }): Line {
  const time = new Date().toLocaleTimeString('en-GB');
  if ('fault' in looked) return { text: `${time}  ${looked.fault}`, style: 'bad' };
  return { text: `${time}  ${looked.url}  q quits`, style: 'quiet' };
}
