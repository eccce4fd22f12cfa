import { cannon } from '../cannon.ts';
import type { Scenario } from './scenario.ts';

const post = (name: string, requests: number, size: number): Scenario => ({
  name,
  requests,
  secure: false,
  status: 200,
  code: null,
  run: (port, requests) =>
    cannon({ port, requests, connections: 16, host: 'pooled.test', path: '/echo', body: 'x'.repeat(size) }),
});

export const postSmall = post('POST of 2 KiB, echoed', 5000, 2048);
export const postLarge = post('POST of 256 KiB, echoed', 200, 1 << 18);
