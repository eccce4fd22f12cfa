/** The live page for everybody: with the keyboard alone, by ear, in the dark. */

import { describe, expect, test } from 'vitest';
import { chromiumInstalled, expectClean, type Visit, visit } from '../helpers/browser.ts';
import { busyStore, listener } from '../helpers/made-up-edge.ts';
import { until } from '../helpers/until.ts';

/** Traffic of each kind, that grows from page to page. */
function growing(): () => string {
  let page = 0;
  return () => {
    page += 1;
    const rows = ['200', '302', '404', '503'].map(
      (status, i) =>
        `fly_edge_http_responses_count{app="blog",region="fra",proxy_id="green",status="${status}"} ${page * 10 * (4 - i)}\n`,
    );
    const buckets = ['0.01', '0.1', '1', '+Inf'].map(
      (le, i) =>
        `fly_edge_http_response_time_seconds_bucket{app="blog",region="fra",le="${le}"} ${page * 10 * (i + 1)}\n`,
    );
    return [...rows, ...buckets, `fly_volume_used_pct{app="blog",region="fra",id="vol_1"} 40\n`].join('');
  };
}

async function settled(options = {}): Promise<Visit> {
  const { url } = await listener(busyStore(5), growing());
  const seen = await visit(url, options);
  await until(async () => (await seen.scrapes()).length >= 3, 'three scrapes');
  await seen.page.waitForSelector('#panel-responses .legend li');
  return seen;
}

/** What is too faint, of all text that is shown: WCAG 2.2, 1.4.3. */
const faint = `(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    throw new Error('nothing behind it');
  };
  const found = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === '' || !element.checkVisibility() || element.closest('.unseen, .skip, noscript')) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const large = parseFloat(style.fontSize) >= 24;
    const ratio = contrast(parts(style.color), behind(element));
    if (ratio < (large ? 3 : 4.5)) found.push(walker.currentNode.data.trim() + ' ' + ratio.toFixed(2));
  }
  // Lines and areas: 1.4.11.
  const panel = behind(document.querySelector('.panel'));
  const probe = document.body.appendChild(document.createElement('span'));
  const tones = ['blue', 'green', 'good', 'info', 'warn', 'bad', 'quiet', ...'abcdefgh'].map((tone) => {
    probe.style.color = 'var(--tone-' + tone + ')';
    return [tone, contrast(parts(getComputedStyle(probe).color), panel)];
  });
  probe.remove();
  return { texts, found: [...found, ...tones.filter(([, ratio]) => !(ratio >= 3)).map(String)] };
})()`;

const background = ({ page }: Visit): Promise<string> =>
  page.evaluate('getComputedStyle(document.body).backgroundColor');

describe.skipIf(!chromiumInstalled())('the live page', () => {
  test.each(['light', 'dark'] as const)('has enough contrast when the system is %s', async (colorScheme) => {
    const seen = await settled({ colorScheme });
    await seen.values('responses');
    const { texts, found } = await seen.page.evaluate<{ texts: number; found: string[] }>(faint);
    expect(texts).toBeGreaterThan(60);
    expect(found).toEqual([]);
    await expectClean(seen);
  });

  test('light and dark: the system’s choice until there is one', async () => {
    const seen = await settled({ colorScheme: 'light' });
    const light = await background(seen);
    await seen.page.emulateMedia({ colorScheme: 'dark' });
    const dark = await background(seen);
    expect(dark).not.toBe(light);
    const button = seen.page.getByRole('button', { name: 'Dark' });
    await until(async () => (await button.getAttribute('aria-pressed')) === 'true', 'the button to follow');
    await button.click();
    expect(await background(seen)).toBe(light);
    await seen.page.reload();
    await seen.page.waitForSelector('body[data-state=current]');
    expect(await background(seen)).toBe(light);
    expect(await button.getAttribute('aria-pressed')).toBe('false');
    await expectClean(seen);
  });

  test('with the keyboard alone: to the charts, an app, the theme, the values', async () => {
    const seen = await settled();
    const { page } = seen;
    const focused = () =>
      page.evaluate<string>(`(() => {
      const { activeElement: at } = document;
      const { outlineStyle, outlineWidth } = getComputedStyle(at);
      const ring = outlineStyle !== 'none' && outlineWidth !== '0px' ? '' : ' without a ring';
      return (at.id || at.name || at.textContent.trim()) + ring;
    })()`);
    const tab = async () => {
      await page.keyboard.press('Tab');
      return focused();
    };
    expect(await tab()).toBe('Skip to the charts');
    expect([
      await tab(),
      await page.evaluate('document.activeElement.labels[0].textContent.startsWith("App")'),
    ]).toEqual(['app', true]);
    await page.keyboard.press('ArrowDown');
    await until(() => page.url().includes('app=blog'), 'the app in the URL');
    expect([await tab(), await tab(), await tab()]).toEqual(['region', 'time', 'theme']);
    const before = await background(seen);
    await page.keyboard.press('Space');
    expect(await background(seen)).not.toBe(before);
    expect(await tab()).toBe('Values of Responses by status');
    await page.keyboard.press('Enter');
    expect(await page.locator('#values-responses table').isVisible()).toBe(true);
    await page.keyboard.press('Enter');
    expect(await page.locator('#values-responses').isVisible()).toBe(false);
    await expectClean(seen);
  });

  test('a screen reader finds landmarks, headings, names, and each chart in words', async () => {
    const seen = await settled();
    const { page } = seen;
    for (const role of ['banner', 'main'] as const) expect(await page.getByRole(role).count()).toBe(1);
    expect(await page.locator('h1').count()).toBe(1);
    const unnamed = `[...document.querySelectorAll('button, select, input, a')].filter((control) =>
      control.checkVisibility() && !(control.textContent.trim() || control.ariaLabel || [...(control.labels ?? [])].some((label) => label.textContent.trim()))
    ).map((control) => control.outerHTML)`;
    // A select has its options as text: its label counts.
    const unlabelled = `[...document.querySelectorAll('select, input')].filter(({ labels }) => labels.length === 0).length`;
    expect(await page.evaluate(unnamed)).toEqual([]);
    expect(await page.evaluate(unlabelled)).toBe(0);
    const levels = await page.evaluate<number[]>(
      `[...document.querySelectorAll('h1, h2, h3')].map(({ tagName }) => Number(tagName[1]))`,
    );
    expect(levels.every((level, i) => level - (levels[i - 1] ?? 0) <= 1)).toBe(true);
    const mute = `[...document.querySelectorAll('canvas')].filter((canvas) => canvas.checkVisibility() && canvas.ariaHidden !== 'true' && !canvas.closest('[role=img][aria-label]')).length`;
    expect(await page.evaluate(mute)).toBe(0);
    const said = await page.locator('#panel-responses .plot').getAttribute('aria-label');
    expect(said).toMatch(
      /^Responses by status: 2xx done .*\/s; 3xx redirected .*\/s; 4xx refused .*\/s; 5xx failed .*\/s$/,
    );
    expect(await page.evaluate(`document.documentElement.lang`)).toBe('en');
    await expectClean(seen);
  });

  test('nothing moves for those who want no motion', async () => {
    const seen = await settled({ reducedMotion: 'reduce' });
    const moving = `[...document.querySelectorAll('*')].filter((element) => {
      const { transitionDuration, animationName } = getComputedStyle(element);
      return transitionDuration !== '0s' || animationName !== 'none';
    }).length`;
    expect(await seen.page.evaluate(moving)).toBe(0);
  });

  test('fits a phone: nothing is wider than the screen', async () => {
    const seen = await settled({ viewport: { width: 375, height: 800 } });
    const wide = `[...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > 375 && element.checkVisibility() && !element.closest('.unseen')).map(({ className, tagName }) => tagName + '.' + className)`;
    expect(await seen.page.evaluate(wide)).toEqual([]);
    expect(await seen.page.evaluate('document.documentElement.scrollWidth')).toBe(375);
    await expectClean(seen);
  });
});
