/** The files of the page, read once: nothing that a request says reaches the file system. */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/**
 * live   from this server's own /metrics
 * query  from the query API below /prometheus/ORG/ on this server
 */
export type PageSource = 'live' | 'query';

export interface Asset {
  type: string;
  body: Buffer;
  gzip: Buffer;
  /** The body's tag: a strong validator (RFC 9110 8.8.3). */
  etag: string;
}

const here = fileURLToPath(new URL('.', import.meta.url));
/** `.ts` in a checkout, `.js` where the package was compiled. */
const script = extname(import.meta.url);
const types = { html: 'text/html', css: 'text/css', script: 'text/javascript', image: 'image/svg+xml' } as const;

/** By path. */
export function pageAssets(source: PageSource): ReadonlyMap<string, Asset> {
  const uplot = join(dirname(createRequire(import.meta.url).resolve('uplot/package.json')), 'dist');
  const modules = ['model', 'browser'].flatMap((folder) =>
    readdirSync(join(here, folder))
      .filter((file) => file.endsWith(script) && !file.endsWith('.d.ts'))
      .map((file) => [`/page/${folder}/${file}`, asset('script', withoutTypes(read(here, folder, file)))] as const),
  );
  const html = read(here, 'browser', 'page.html').replace('{source}', source).replace('{script}', script);
  return new Map([
    ['/', asset('html', html)],
    ['/page/page.css', asset('css', read(here, 'browser', 'page.css'))],
    ['/page/icon.svg', asset('image', read(here, 'browser', 'icon.svg'))],
    ['/page/uplot.css', asset('css', read(uplot, 'uPlot.min.css'))],
    ['/page/browser/uplot.js', asset('script', read(uplot, 'uPlot.esm.js'))],
    ...modules,
  ]);
}

const read = (...path: string[]): string => readFileSync(join(...path), 'utf8');

function asset(kind: keyof typeof types, text: string): Asset {
  const body = Buffer.from(text);
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { type: `${types[kind]}; charset=utf-8`, body, gzip: gzipSync(body), etag };
}

/** Types become blanks, so that lines and columns stay. */
function withoutTypes(text: string): string {
  if (script !== '.ts') return text;
  const { emitWarning } = process;
  // Node calls this function experimental, once, on standard error: it is the same one that runs this very file.
  process.emitWarning = () => {};
  try {
    return stripTypeScriptTypes(text);
  } finally {
    process.emitWarning = emitWarning;
  }
}
