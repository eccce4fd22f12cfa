/** Agents as they are started, and apps for them. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { bin, freePort, type Program, start } from '../cli/helpers.ts';
import { type Page, parseExposition } from '../helpers/exposition.ts';
import { until } from '../helpers/until.ts';

export interface Started extends Program {
  url: string;
  port: number;
}

/** Starts a program in a namespace of processes of its own, as the first one there. */
export const unshare = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];

/** Why no process can be the first of a namespace here; null when it can. */
export function missingNamespaces(): string | null {
  const [program, ...args] = unshare;
  const { status, error, stderr } = spawnSync(program!, [...args, 'true'], { encoding: 'utf8' });
  return status === 0 ? null : (error?.message ?? stderr.trim());
}

/** @param before what starts the program, if not the shell; a signal for it is then one for `pidOf`. */
export async function agent(args: string[], app: string[] = [], before: string[] = []): Promise<Started> {
  const port = await freePort();
  const command = app.length > 0 ? ['--', ...app] : [];
  const [first, ...words] = [...before, process.execPath, bin, 'agent', '--listen', `127.0.0.1:${port}`];
  const program = start([...words.slice(1), ...args, ...command], first, words[0]);
  const url = `http://127.0.0.1:${port}`;
  const answers = async () => (await fetch(`${url}/healthz`)).ok;
  await until(() => program.process.exitCode !== null || answers().catch(() => false));
  return Object.assign(program, { url, port });
}

export const page = async ({ url }: Started): Promise<Page> =>
  parseExposition(await (await fetch(`${url}/metrics`)).text());

/** Nobody scrapes it any more. @param pid of the agent. */
export async function leave(started: Started, pid = started.process.pid!): Promise<Awaited<Started['ended']>> {
  process.kill(pid, 'SIGTERM');
  return started.ended;
}

/** Children of a process's main thread, zombies among them. */
export const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);

const signals = ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGTERM'] as const;

/** Writes each signal that it gets, and ends at SIGTERM with 7. */
export const listener = node(
  `for (const s of ${JSON.stringify(signals)}) process.on(s, () => { console.log(s); if (s === 'SIGTERM') process.exit(7); });
   setInterval(() => {}, 1000); console.log('up');`,
);

/** Sends all the signals to the agent of a `listener`: each has to arrive. */
export async function sendAll(started: Started, pid: number): Promise<void> {
  await until(() => started.stdout.includes('up'));
  for (const signal of signals) {
    process.kill(pid, signal);
    await until(() => started.stdout.includes(`${signal}\n`), signal);
  }
}

/** What it then has written. */
export const sentAll = `${['up', ...signals].join('\n')}\n`;

export function node(script: string): string[] {
  return [process.execPath, '-e', script];
}
