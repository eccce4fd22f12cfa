import { expect, test } from 'vitest';
import { normalHost } from '../../src/base/authority.ts';

test.each([
  ['demo.test', 'demo.test'],
  ['DEMO.Test.', 'demo.test'],
  ['localhost.', 'localhost'],
  ['127.0.0.1', '127.0.0.1'],
  ['127.0.0.1.', '127.0.0.1'],
  ['[::1]', '[::1]'],
  ['[0:0:0:0:0:0:0:1]', '[::1]'],
  ['[2001:DB8:0:0:1:0:0:1]', '[2001:db8::1:0:0:1]'],
  ['[::FFFF:1.2.3.4]', '[::ffff:1.2.3.4]'],
  ['[::ffff:102:304]', '[::ffff:1.2.3.4]'],
  ['[::]', '[::]'],
])('RFC 3986 6.2.2, RFC 5952: %s is %s', (host, normal) => {
  expect(normalHost(host)).toBe(normal);
});

test.each(['', '.', '..', 'demo.test..', '[]', '[::1', '[::1].', '[1:2]', '[::g]', '[1.2.3.4]', '[::1%1]', '[:::]'])(
  '%j is no host',
  (host) => {
    expect(normalHost(host)).toBeNull();
  },
);
