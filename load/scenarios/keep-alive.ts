import { cannon } from '../cannon.ts';
import type { Scenario } from './scenario.ts';

export const keepAlive: Scenario = {
  name: 'keep-alive GET',
  requests: 20_000,
  secure: false,
  status: 200,
  code: null,
  run: (port, requests) => cannon({ port, requests, connections: 32, host: 'pooled.test' }),
};

/** Concurrency type `connections`: the edge opens a connection to the instance per request. */
export const direct: Scenario = {
  ...keepAlive,
  name: 'connection to the instance per request',
  requests: 5000,
  run: (port, requests) => cannon({ port, requests, connections: 32, host: 'direct.test' }),
};
