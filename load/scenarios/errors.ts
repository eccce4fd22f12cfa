/** Errors on purpose, the instance's and the edge's own. */

import { cannon } from '../cannon.ts';
import { exchanges } from '../raw.ts';
import type { Scenario } from './scenario.ts';

const base = { requests: 1000, secure: false };

export const status500: Scenario = {
  ...base,
  name: '500 from the instance',
  status: 500,
  code: null,
  run: (port, requests) => cannon({ port, requests, connections: 16, host: 'pooled.test', path: '/status/500' }),
};

export const unknownHost: Scenario = {
  ...base,
  name: '404, unknown host',
  status: 404,
  code: 'unknown_host',
  run: (port, requests) => cannon({ port, requests, connections: 16, host: 'stranger.test', close: true }),
};

export const deadInstance: Scenario = {
  ...base,
  name: '502, dead instance',
  status: 502,
  code: 'instance_connect',
  run: (port, requests) => cannon({ port, requests, connections: 16, host: 'dead.test', close: true }),
};

export const malformed: Scenario = {
  ...base,
  name: '400, two Host fields',
  status: 400,
  code: 'bad_request',
  run: (port, requests) =>
    exchanges(port, requests, 16, 'GET / HTTP/1.1\r\nHost: pooled.test\r\nHost: direct.test\r\n\r\n'),
};

export const brokenOff: Scenario = {
  ...base,
  name: 'instance breaks off midway',
  status: 200,
  code: 'instance_broke_off',
  run: (port, requests) => exchanges(port, requests, 16, 'GET /abort HTTP/1.1\r\nHost: pooled.test\r\n\r\n'),
};
