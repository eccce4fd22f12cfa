import { expect, test } from 'vitest';
import { bindFault } from '../../src/base/listening-socket.ts';

test.for([
  ['EADDRINUSE', '127.0.0.1:80 is in use by another process'],
  ['EACCES', '127.0.0.1:80 needs the right to bind ports below 1024 (CAP_NET_BIND_SERVICE): write a higher one'],
  ['EADDRNOTAVAIL', '127.0.0.1 is not an address of this machine'],
])('%s is told without a key of edge.toml: the agent and run --to have no such file', ([code, told]) => {
  expect(bindFault('127.0.0.1', 80, Object.assign(new Error('?'), { code }))).toBe(told);
});
