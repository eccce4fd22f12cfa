import { describe, expect, test } from 'vitest';
import { alpnFor } from '../../../src/proxy/tls/alpn.ts';

describe('alpnFor', () => {
  test.each([
    [['http/1.1'], [], { state: 'none' }],
    [[], ['h2'], { state: 'none' }],
    [['http/1.1'], ['h2', 'http/1.1'], { state: 'chosen', protocol: 'http/1.1' }],
    [['h2', 'http/1.1'], ['http/1.1', 'h2'], { state: 'chosen', protocol: 'h2' }],
    [['http/1.1'], ['h2'], { state: 'refused' }],
    [['http/1.1'], ['HTTP/1.1'], { state: 'refused' }],
    [['postgresql'], ['http/1.1'], { state: 'refused' }],
  ])('port %j, client %j: %j (RFC 7301 3.2)', (offered, client, choice) => {
    expect(alpnFor(offered, client)).toEqual(choice);
  });
});
