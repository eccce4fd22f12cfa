import { cannon } from '../cannon.ts';
import type { Scenario } from './scenario.ts';

export const close: Scenario = {
  name: 'connection per request',
  requests: 5000,
  secure: false,
  status: 200,
  code: null,
  run: (port, requests) => cannon({ port, requests, connections: 16, host: 'pooled.test', close: true }),
};
