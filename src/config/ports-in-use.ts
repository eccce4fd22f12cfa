import { createServer } from 'node:net';
import { holders } from '../base/port-holder.ts';
import { type Address, formatAddress } from './address.ts';
import type { Fault, Origin } from './fault.ts';
import type { Plan } from './plan.ts';
import { reasonOf } from './reason.ts';

/**
 * Tries to bind each port of the plan, and lets it go again: what can't be bound is a fault.
 * @param own `host:port` of those that this edge holds already, because it runs.
 */
export async function portsInUse(plan: Plan, own: ReadonlySet<string> = new Set()): Promise<Fault[]> {
  const faults: Fault[] = [];
  const wanted = [
    ...plan.listeners.map(({ address, port, origin }) => ({ host: address, port, origin, option: '--listen' })),
    { ...plan.metrics, option: '--metrics' },
  ];
  for (const { host, port, origin, option } of wanted) {
    if (own.has(formatAddress({ host, port }))) continue;
    const error = await bind({ host, port });
    if (error === null) continue;
    const where: Origin = origin ?? { file: option, line: 0, column: 0 };
    faults.push({ ...where, message: `${formatAddress({ host, port })} ${told(error, port)}` });
  }
  return faults;
}

function told(error: NodeJS.ErrnoException, port: number): string {
  if (error.code === 'EADDRINUSE') return `is in use by another process${holders(port)}: end it, or write another port`;
  if (error.code === 'EACCES') return 'is for root only: write a port above 1023, which edge.toml maps with ports';
  return `can't be bound: ${reasonOf(error)}`;
}

/** What the system says against this address; null when it is free. */
function bind(address: Address): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ ...address, exclusive: true }, () => server.close(() => resolve(null)));
  });
}
