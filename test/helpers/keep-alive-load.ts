import { Agent, get } from 'node:http';
import { expect } from 'vitest';

/** GETs over kept connections until it is told to stop; all of them must succeed. */
export function load(port: number, connections: number, headers: Record<string, string> = {}) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let over = false;
  let succeeded = 0;
  const failures: unknown[] = [];
  const one = () =>
    new Promise<void>((resolve) => {
      const request = get({ host: '127.0.0.1', port, agent, headers }, (response) => {
        response.resume().on('end', () => {
          if (response.statusCode === 200) succeeded++;
          else failures.push(response.statusCode);
          resolve();
        });
      });
      request.on('error', (error) => {
        failures.push(error);
        resolve();
      });
    });
  const clients = Array.from({ length: connections }, async () => {
    while (!over) await one();
  });
  return {
    succeeded: () => succeeded,
    async stop() {
      over = true;
      await Promise.all(clients);
      agent.destroy();
      expect(failures).toEqual([]);
      return succeeded;
    },
  };
}
