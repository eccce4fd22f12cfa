/** Pictures of the live page for the README: the demo with traffic of every kind and a flip, in Chromium. */

import { execFileSync } from 'node:child_process';
import { Agent, type RequestOptions, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { edgeProgram } from './edge.ts';
import { findProgram, ready, start, stop } from './processes.ts';

const config = fileURLToPath(new URL('../config/edge.toml', import.meta.url));
const folder = fileURLToPath(new URL('../docs/images/', import.meta.url));

/** Seconds of traffic, and when in it the slots flip. */
const length = 240;
const flips = [80, 190];
const size = { width: 1440, height: 1540 };

const executablePath = findProgram('chromium');
if (executablePath === null) throw new Error('chromium is not installed');

const demo = start(process.execPath, [edgeProgram, 'demo'], { stdout: true });
let said = '';
demo.stdout!.setEncoding('utf8').on('data', (text: string) => {
  said += text;
});
try {
  await ready(demo, 'the demo', async () => said.includes('Ctrl-C'), 30_000);
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    await take(browser);
  } finally {
    await browser.close();
  }
} finally {
  await stop(demo, 40_000);
}

async function take(browser: Awaited<ReturnType<typeof chromium.launch>>): Promise<void> {
  const live = await browser.newPage({ viewport: size, colorScheme: 'light' });
  await live.goto(`${found(/(http:\S+)metrics\s/)}#span=300`);
  const traffic = new AbortController();
  drive(new URL(found(/(http:\S+)\s+the app/)), new URL(found(/curl -k (\S+)/)), traffic.signal);
  for (let second = 0; second < length; second++) {
    if (flips.includes(second))
      execFileSync(process.execPath, [edgeProgram, 'restart', '--config', config], { stdio: 'ignore' });
    await delay(1000);
  }
  await live.screenshot({ path: `${folder}page-light.png` });
  const stored = await browser.newPage({ viewport: size, colorScheme: 'dark' });
  await stored.goto(`${found(/stored: (\S+)/)}#span=300`);
  await stored.getByLabel('Organization').fill(found(/organization (\S+) and/));
  await stored.getByLabel('Token').fill(found(/this token: (.+)/));
  await stored.getByRole('button', { name: 'Show' }).click();
  await stored.waitForSelector('body[data-state=current]');
  // The second look has all that is on the screen.
  await delay(8000);
  await stored.screenshot({ path: `${folder}page-dark.png` });
  traffic.abort();
}

/** In what the demo wrote. */
function found(pattern: RegExp): string {
  const match = pattern.exec(said)?.[1];
  if (match === undefined) throw new Error(`the demo did not say ${pattern}:\n${said}`);
  return match;
}

/** Requests as they come in life: in waves, of every status, some slow, some to hosts that nobody has. */
function drive(plain: URL, secure: URL, signal: AbortSignal): void {
  const agent = new Agent({ keepAlive: true, maxSockets: 24 });
  const common = [
    '/',
    '/',
    '/',
    '/',
    '/',
    '/bytes?n=20000',
    '/bytes?n=4000',
    '/slow?ms=8',
    '/slow?ms=20',
    '/slow?ms=60',
  ];
  const rare = ['/status/302', '/status/404', '/status/404', '/status/503', '/slow?ms=300'];
  const pick = (list: readonly string[]) => list[Math.floor(Math.random() * list.length)]!;
  const path = () => (Math.random() < 0.12 ? pick(rare) : pick(common));
  const send = (by: typeof request, url: URL, options: RequestOptions & { maxVersion?: string }) => {
    const sent = by({ host: url.hostname, port: url.port, path: path(), ...options } as RequestOptions, (response) =>
      response.resume(),
    );
    sent.on('error', () => {}).end();
  };
  let tick = 0;
  const timer = setInterval(() => {
    tick += 1;
    const wave = 3 + 2 * Math.sin(tick / 160) + Math.sin(tick / 37) + Math.random();
    for (let i = 0; i < wave; i++) {
      send(request, plain, { agent, headers: { host: Math.random() < 0.004 ? 'nobody.test' : 'demo.test' } });
    }
    if (tick % 5 > 0) return;
    const maxVersion = Math.random() < 0.3 ? 'TLSv1.2' : 'TLSv1.3';
    const options = { agent: false as const, servername: 'demo.test', rejectUnauthorized: false, maxVersion };
    send(secureRequest as typeof request, secure, { ...options, headers: { host: 'demo.test' } });
  }, 50);
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    agent.destroy();
  });
}
