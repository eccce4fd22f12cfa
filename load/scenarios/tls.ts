import { cannon } from '../cannon.ts';
import type { Scenario } from './scenario.ts';

export const tls: Scenario = {
  name: 'TLS, keep-alive GET',
  requests: 10_000,
  secure: true,
  status: 200,
  code: null,
  run: (port, requests) => cannon({ port, requests, connections: 32, host: 'pooled.test', secure: true }),
};

export const tlsClose: Scenario = {
  ...tls,
  name: 'TLS, connection per request',
  requests: 1000,
  run: (port, requests) => cannon({ port, requests, connections: 16, host: 'pooled.test', secure: true, close: true }),
};
