import { expect, test } from 'vitest';
import { MetricId } from '../../../src/metrics/catalogue.ts';
import { type Labels, PageReader, parseSeries, type ReaderLimits } from '../../../src/page/model/page-reader.ts';
import { parseExposition } from '../../helpers/exposition.ts';
import { mutate } from '../../helpers/mutate.ts';
import { seeded } from '../../helpers/random.ts';
import { pageText, storeAt, workerOf } from '../../metrics/helpers.ts';

type Sample = [name: string, labels: Labels, value: number];

const sorted = (samples: Sample[]): string[] => samples.map((sample) => JSON.stringify(sample)).sort();

function read(text: string, size = text.length || 1, limits?: ReaderLimits) {
  const reader = new PageReader(
    (name) => name !== 'unwanted',
    (name, labels) => [name, labels] as const,
    limits,
  );
  const samples: Sample[] = [];
  reader.begin();
  for (let at = 0; at < text.length; at += size) {
    reader.push(text.slice(at, at + size), ([name, labels], value) => samples.push([name, { ...labels }, value]));
  }
  return { samples, skipped: reader.skipped };
}

test('names, labels with every escape, values, timestamps, comments', () => {
  const page = `# HELP a some help {with="braces"} 3
# TYPE a counter
a 1
a{} 2
a{b="c"} 3 1700000000000
a{b="say \\"hi\\"",c="back\\\\slash\\nline",d="} 7 {",} -1.5e-3
unwanted{"whatever
a{b="ü"} +Inf\r
a\t4\t1700000000000\t
a{ b = "\xa0" ,\tc\t=\t"d"\t} \t5
b:c{x="1",y="2"} NaN

`;
  expect(read(page)).toEqual({
    samples: [
      ['a', {}, 1],
      ['a', {}, 2],
      ['a', { b: 'c' }, 3],
      ['a', { b: 'say "hi"', c: 'back\\slash\nline', d: '} 7 {' }, -0.0015],
      ['a', { b: 'ü' }, Infinity],
      ['a', {}, 4],
      ['a', { b: '\xa0', c: 'd' }, 5],
      ['b:c', { x: '1', y: '2' }, NaN],
    ],
    skipped: 0,
  });
});

test.each([
  'a',
  'a ',
  'a b',
  'a{b="c"',
  'a{b=c} 1',
  'a{b="c" d="e"} 1',
  'a{b="c",b="d"} 1',
  '1a 1',
  'a{b="c"} 1 2 3',
  'a{b="c"} 0x1',
  'a{b="c"} \xa01',
  'a{b="c"} 1\xa0',
  'a{b="c"} 1\v',
  'a{b="c"} 1 \xa02',
  'a{b="c",\xa0d="e"} 1',
  'a{b\u2028="c"} 1',
  'a{b="c"}\xa01',
  'a{b="c"} \u0661',
  '{a="b"} 1',
])('%j is skipped, and what follows is read', (line) => {
  expect(read(`${line}\nok 1\n`)).toEqual({ samples: [['ok', {}, 1]], skipped: 1 });
});

test('a label may be called as anything', () => {
  const found = parseSeries('a{constructor="x",__proto__="y"}');
  expect(Object.entries(found!.labels)).toEqual([
    ['constructor', 'x'],
    ['__proto__', 'y'],
  ]);
});

test('a real page, cut anywhere, reads as the strict reader of the tests has it', () => {
  const { store } = storeAt();
  const { recorder, ship } = workerOf(store, 1, 'blue');
  recorder.add(recorder.series(MetricId.edgeHttpResponses, ['demo', '200']), 7);
  recorder.add(recorder.series(MetricId.edgeErrors, ['od"d\\\n', 'no_host']), 1);
  recorder.observe(recorder.series(MetricId.appHttpResponseTime, ['demo', 'i1', '200']), 0.3);
  recorder.set(recorder.series(MetricId.appConcurrency, ['demo', 'i1']), 4);
  ship();
  const text = pageText(store);
  const expected = [...parseExposition(text)].flatMap(([name, samples]) =>
    samples.map(({ labels, value }): Sample => [name, labels, value]),
  );
  expect(expected.length).toBeGreaterThan(15);
  for (const size of [1, 7, 1000, text.length]) expect(sorted(read(text, size).samples)).toEqual(sorted(expected));
});

test('a line and a page have a limit', () => {
  const limits = { line: 50, series: 3 };
  const long = `a{b="${'x'.repeat(1000)}"} 1\n`;
  expect(read(`${long}b 1\n`, 10, limits)).toEqual({ samples: [['b', {}, 1]], skipped: 1 });
  const many = Array.from({ length: 5 }, (_, i) => `a${i} ${i}\n`).join('');
  expect(read(many, 10, limits)).toEqual({
    samples: [0, 1, 2].map((i) => [`a${i}`, {}, i]),
    skipped: 2,
  });
});

test('a thousand mutated pages: each line is read or skipped, none stops the reader', () => {
  const random = seeded(5);
  const page = 'a{b="c",d="e\\"f"} 1\n# TYPE x counter\nx_count 3.5e2\ny{le="+Inf"} 7\n';
  for (let i = 0; i < 1000; i++) {
    const text = `${mutate(Buffer.from(page), random).toString('latin1')}\nok 1\n`;
    expect(read(text).samples.at(-1)).toEqual(['ok', {}, 1]);
  }
});
