import { portFault } from '../supervisor/listening-socket.ts';

/** The port, or the next one that no other program has. */
export async function freePort(host: string, port: number): Promise<number> {
  while ((await portFault(host, port)) !== null && port < 65_535) port++;
  return port;
}
