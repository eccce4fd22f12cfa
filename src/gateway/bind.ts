import type { Server } from 'node:http';
import { type Address, formatAddress } from '../config/address.ts';

/** @param what it listens for, as an operator knows it. @returns null once it does, else why it can't. */
export function listen(server: Server, { host, port }: Address, what: string): Promise<string | null> {
  return new Promise((resolve) => {
    server.once('error', (error) => resolve(`[gateway] ${what}: ${formatAddress({ host, port })}: ${error.message}`));
    server.listen({ host, port }, () => resolve(null));
  });
}
