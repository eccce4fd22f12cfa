import { cannon } from '../cannon.ts';
import type { Scenario } from './scenario.ts';

/** 20 ms an answer, and twice as many clients as the instance's hard limit lets through: half of them wait in the queue. */
export const slow: Scenario = {
  name: 'slow instance with a queue',
  requests: 1000,
  secure: false,
  status: 200,
  code: null,
  run: (port, requests) => cannon({ port, requests, connections: 32, host: 'slow.test', path: '/slow?20' }),
};
