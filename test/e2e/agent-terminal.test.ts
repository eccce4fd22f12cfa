/** The agent on a terminal. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bin, freePort } from '../cli/helpers.ts';
import { until } from '../helpers/until.ts';
import { missingNamespaces, unshare } from './agents.ts';

const noTerminal = spawnSync('script', ['--version']).error !== undefined;
if (noTerminal) console.warn('nothing runs on a terminal: `script` of util-linux is not installed');
const noNamespace = missingNamespaces();
if (noNamespace !== null) console.warn(`no agent is process 1 on a terminal: ${noNamespace}`);

const cases: [string, string[], string][] = [
  ['', [], ''],
  [', its stdin from elsewhere', [], '</dev/null'],
];
if (noNamespace === null) cases.push(['; the agent is process 1', unshare, '']);

test.skipIf(noTerminal).each(cases)('Ctrl-C reaches the app once%s', async (_, before, stdin) => {
  const port = await freePort();
  const app = join(mkdtempSync(join(tmpdir(), 'fly-edge-')), 'app.mjs');
  onTestFinished(() => rmSync(dirname(app), { recursive: true }));
  // It ends by itself once nothing more has come for a while.
  writeFileSync(
    app,
    `let interrupts = 0, end;
    process.on('SIGINT', () => { interrupts++; clearTimeout(end); end = setTimeout(() => process.exit(interrupts), 500); });
    setInterval(() => {}, 1000); console.log('up');`,
  );
  const agent = `${process.execPath} ${bin} agent --listen 127.0.0.1:${port} --linger 0s -- ${process.execPath} ${app}`;
  // `exec`: the shell between would take Ctrl-C, too, and dash says 130 then, whatever the agent says.
  const terminal = spawn('script', ['-qec', `exec ${before.join(' ')} ${agent} ${stdin}`, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void terminal.kill('SIGKILL'));
  let shown = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => (shown += text));
  const ended = once(terminal, 'exit');
  await until(() => shown.includes('up'), 'the app is up');
  terminal.stdin.write('\x03');
  expect((await ended)[0]).toBe(1);
});
