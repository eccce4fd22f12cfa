import { describe, expect, test } from 'vitest';
import { HostTable } from '../../../src/proxy/routing/hosts.ts';

const names = ['demo.test', '*.demo.test', '*.a.demo.test', 'b.a.demo.test', '*.test', 'localhost'];
const table = new HostTable(names.map((name) => [name, name]));

describe('HostTable', () => {
  test.each([
    ['demo.test', 'demo.test'],
    ['localhost', 'localhost'],
    ['x.demo.test', '*.demo.test'],
    ['x.y.demo.test', '*.demo.test'],
    ['a.demo.test', '*.demo.test'],
    ['x.a.demo.test', '*.a.demo.test'],
    ['x.y.a.demo.test', '*.a.demo.test'],
    ['b.a.demo.test', 'b.a.demo.test'],
    ['c.b.a.demo.test', '*.a.demo.test'],
    ['other.test', '*.test'],
    ['xdemo.test', '*.test'],
    ['test', undefined],
    ['.test', undefined],
    ['demo.test.', undefined],
    ['', undefined],
    ['x.localhost', undefined],
    [`${'a.'.repeat(125)}test`, undefined],
    [`${'a.'.repeat(124)}test`, '*.test'],
  ])('%s is found at %s', (host, found) => expect(table.find(host)).toBe(found));

  test('takes * for any host, last of all', () => {
    const any = new HostTable([
      ['*', 0],
      ['*.demo.test', 1],
      ['demo.test', 2],
    ]);
    expect(['demo.test', 'x.demo.test', 'other.test', 'localhost', ''].map((host) => any.find(host))).toEqual([
      2, 1, 0, 0, 0,
    ]);
  });

  test('finds nothing when it is empty', () => expect(new HostTable([]).find('demo.test')).toBeUndefined());
});
