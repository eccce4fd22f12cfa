import { portFault } from '../base/listening-socket.ts';

/** Ports that were given away: what is to listen there may not do so yet. */
const given = new Set<number>();

/** The port, or the next one that no other program has, and that was not given before. */
export async function freePort(host: string, port: number): Promise<number> {
  while ((given.has(port) || (await portFault(host, port)) !== null) && port < 65_535) port++;
  given.add(port);
  return port;
}
