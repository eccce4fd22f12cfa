import { writeFileSync } from 'node:fs';
import { cases, setting } from './cases.ts';

/** Writes own.json anew: `node test/tokens/vectors/make.ts`. */
writeFileSync(new URL('own.json', import.meta.url), `${JSON.stringify({ ...setting, cases }, null, 2)}\n`);
