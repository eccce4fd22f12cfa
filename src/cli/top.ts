import { setTimeout } from 'node:timers/promises';
import type { Command } from 'commander';
import { formatAddress } from '../config/address.ts';
import { reachable } from '../metrics/scrape-config.ts';
import { LiveStore } from '../page/model/live-store.ts';
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
      const url = `http://${formatAddress(reachable(plan.metrics))}/metrics`;
      if (once || !process.stdout.isTTY) process.exitCode = await print(url, seconds);
      else await show(url, seconds);
    });
}

/** A rate takes two pages. */
async function print(url: string, seconds: number): Promise<number> {
  const store = new LiveStore(pages);
  for (let page = 0; page < 2; page++) {
    if (page > 0) await setTimeout(seconds * 1000);
    const fault = await poll(url, store);
    if (fault === null) continue;
    complain(`the edge does not answer: ${fault}`);
    return exitCode.failed;
  }
  for (const line of frame(store, Number.POSITIVE_INFINITY)) process.stdout.write(`${styled(line, process.stdout)}\n`);
  return exitCode.done;
}

/** Until q or Ctrl-C. */
async function show(url: string, seconds: number): Promise<void> {
  const store = new LiveStore(pages);
  const screen = new Screen(process.stdout);
  const quit = new AbortController();
  const keys = (pressed: Buffer) => {
    // Ctrl-C is a key in raw mode.
    if (['q', 'Q', '\x03'].includes(pressed.toString())) quit.abort();
  };
  process.stdin.setRawMode?.(true).on('data', keys);
  for (const signal of [...endings, 'SIGHUP'] as const) process.once(signal, () => quit.abort());
  let fault: string | null = null;
  const draw = () => screen.draw([top(url, fault), ...frame(store, screen.rows - 1)]);
  process.stdout.on('resize', draw);
  try {
    while (!quit.signal.aborted) {
      fault = await poll(url, store);
      draw();
      await setTimeout(seconds * 1000, null, { signal: quit.signal }).catch(() => {});
    }
  } finally {
    process.stdout.off('resize', draw);
    process.stdin.setRawMode?.(false);
    screen.close();
  }
}

function top(url: string, fault: string | null): Line {
  const time = new Date().toLocaleTimeString('en-GB');
  if (fault !== null) return { text: `${time}  the edge does not answer: ${fault}`, style: 'bad' };
  return { text: `${time}  ${url}  q quits`, style: 'quiet' };
}
