import { workerProtocol } from '../base/protocol.ts';

/** Why a worker cannot work below a supervisor of this protocol, or null. */
export function incompatibility(supervisor: { protocol: number }): string | null {
  if (supervisor.protocol === workerProtocol) return null;
  return 'the version on disk does not work below the supervisor that runs: use fly-edge upgrade';
}
