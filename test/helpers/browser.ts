/** The live page in a real Chromium, which keeps book of all that must not happen. */

import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';

const executablePath = '/usr/bin/chromium';

/** Whether it is installed; says what is not tested otherwise. */
export function chromiumInstalled(): boolean {
  const found = existsSync(executablePath);
  if (!found) console.warn(`the live page is not tested: ${executablePath} is not installed`);
  return found;
}

export interface Visit {
  page: Page;
  browser: Browser;
  /** URLs of all requests. */
  requests: string[];
  /** Errors and warnings on the console, uncaught errors, violations of the content security policy. */
  problems: string[];
  /** What the page got from `/metrics`, with its own time of the answer. */
  scrapes(): Promise<{ time: number; text: string }[]>;
  /** The numbers at the top by id, and the time that they are of; null: a dash. */
  headlines(): Promise<{ time: number; values: Record<string, number | null> }>;
  /** The table behind a panel's chart, opened if it is not: by the label of its rows. */
  values(
    panel: string,
  ): Promise<{ time: number; rows: Record<string, (number | null)[]>; text: Record<string, string[]> }>;
}

/** Runs before the page's own code. */
const book = `
window.book = { violations: [], scrapes: [] };
addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => book.violations.push(violatedDirective + ' ' + blockedURI));
const fetched = window.fetch;
window.fetch = async (...args) => {
  const response = await fetched(...args);
  if (String(args[0]).startsWith('/metrics') && response.ok) {
    const time = Date.now() / 1000;
    response.clone().text().then((text) => book.scrapes.push({ time, text }), () => {});
  }
  return response;
};`;

/** Opens the page in a browser of its own, which ends with the test. */
export async function visit(url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  onTestFinished(() => browser.close());
  return visitIn(browser, url, options);
}

/** The same in a new context: as another person would, whose browser knows nothing. */
export async function visitIn(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 5000 }, ...options });
  const page = await context.newPage();
  const requests: string[] = [];
  const problems: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') problems.push(message.text());
  });
  await page.addInitScript(book);
  await page.goto(url);
  return {
    page,
    browser,
    requests,
    problems,
    scrapes: () => page.evaluate('book.scrapes'),
    headlines: () =>
      page.evaluate(`({
        time: Number(document.getElementById('headlines').dataset.time),
        values: Object.fromEntries([...document.querySelectorAll('#headlines > div')].map((tile) => {
          const { value } = tile.querySelector('dd').dataset;
          return [tile.id.slice('headline-'.length), value === '' ? null : Number(value)];
        })),
      })`),
    async values(panel) {
      const root = page.locator(`#panel-${panel}`);
      const button = root.getByRole('button', { name: 'Values' });
      if ((await button.getAttribute('aria-expanded')) === 'false') await button.click();
      return page.evaluate(`(() => {
        const table = document.querySelector('#values-${panel} table');
        const rows = [...table.querySelectorAll('tbody tr')];
        const number = ({ dataset }) => dataset.value === '' || dataset.value === undefined ? null : Number(dataset.value);
        const of = (pick) => Object.fromEntries(rows.map((row) => [row.dataset.label, [...row.querySelectorAll('td')].map(pick)]));
        return { time: Number(table.dataset.time), rows: of(number), text: of((cell) => cell.textContent) };
      })()`);
    },
  };
}

/** Everything came from the page's own server, and nothing went wrong on the way. */
export async function expectClean({ page, requests, problems }: Visit): Promise<void> {
  const { origin } = new URL(page.url());
  expect(requests.filter((url) => new URL(url).origin !== origin)).toEqual([]);
  expect(await page.evaluate('book.violations')).toEqual([]);
  expect(problems).toEqual([]);
}

/** What is shown is from now. */
export const current = ({ page }: Visit): Promise<unknown> => page.waitForSelector('body[data-state=current]');

/** On the gateway's page. */
export async function signIn({ page }: Visit, org: string, token: string): Promise<void> {
  await page.getByLabel('Organization').fill(org);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Show' }).click();
}
