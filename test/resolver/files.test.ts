import { expect, test } from 'vitest';
import { candidates, isLocal, parseHosts, parseResolvConf } from '../../src/resolver/files.ts';

test('hosts: names and aliases in any case, comments, several lines for one name, both families', () => {
  const hosts = parseHosts(
    [
      '# 10.0.0.9 nobody',
      '10.0.0.1\tweb.internal  Web # the first',
      '',
      '10.0.0.2 web.internal',
      'FD00:0:0::1 web.internal',
      '10.0.0.1 web.internal',
      'fe80::1%lo zoned',
      '10.0.0 short',
      '10.0.0.3',
      '10.0.0.4 absolute.\r',
    ].join('\n'),
  );
  expect(Object.fromEntries(hosts)).toEqual({
    'web.internal': [
      { address: '10.0.0.1', family: 4 },
      { address: '10.0.0.2', family: 4 },
      { address: 'fd00::1', family: 6 },
    ],
    web: [{ address: '10.0.0.1', family: 4 }],
    zoned: [{ address: 'fe80::1%lo', family: 6 }],
    absolute: [{ address: '10.0.0.4', family: 4 }],
  });
});

test.for<[string, { search: string[]; ndots: number }]>([
  ['', { search: ['here.test'], ndots: 1 }],
  ['search a.test b.test.\noptions ndots:5 timeout:2', { search: ['a.test', 'b.test'], ndots: 5 }],
  ['search a.test\ndomain B.test c.test', { search: ['b.test'], ndots: 1 }],
  ['domain b.test\nsearch a.test ; c.test\n# search d.test', { search: ['a.test'], ndots: 1 }],
  ['search .', { search: [], ndots: 1 }],
  ['options ndots:0\noptions ndots:x ndots: ndots:-1', { search: ['here.test'], ndots: 0 }],
  ['options ndots:99', { search: ['here.test'], ndots: 15 }],
])('resolv.conf %j', ([text, rules]) => {
  expect(parseResolvConf(text, 'box.here.test')).toEqual(rules);
});

test('without a domain in the name of the machine, nothing is searched by itself', () => {
  expect(parseResolvConf('', 'box').search).toEqual([]);
});

test.for<[string, number, string[]]>([
  ['web', 1, ['web.a.test', 'web.b.test', 'web']],
  ['web', 0, ['web', 'web.a.test', 'web.b.test']],
  ['web.shop', 1, ['web.shop', 'web.shop.a.test', 'web.shop.b.test']],
  ['web.shop', 5, ['web.shop.a.test', 'web.shop.b.test', 'web.shop']],
  ['web.shop.', 5, ['web.shop']],
])('%s with ndots %i is looked for in order', ([name, ndots, expected]) => {
  expect(candidates(name, { search: ['a.test', 'b.test'], ndots })).toEqual(expected);
});

test('localhost is this machine, and so is what ends in it', () => {
  expect(['localhost', 'localhost.', 'a.localhost', 'notlocalhost', 'localhost.test'].map(isLocal)).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});
