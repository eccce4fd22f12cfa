import type { Plan } from '../config/plan.ts';
import { eventLog, flushLogs } from '../log/log.ts';
import type { Status } from '../supervisor/status.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { complain, type ExitCode, exitCode } from './exit.ts';

/**
 * Ctrl-C reaches the whole process group, and npm and npx pass on what they get: one wish to stop may come as
 * several signals within moments. Only one that comes later is the second.
 */
const sameSignal = 500;

/** Runs an edge until it is told to stop. @param announce called once it serves. */
export async function serve(plan: Plan, announce: (status: Status) => void): Promise<ExitCode> {
  const log = eventLog({ process: 'supervisor' });
  const supervisor = new Supervisor(plan, { log });
  let signalled = Number.POSITIVE_INFINITY;
  let hurried = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const now = performance.now();
      if (signalled === Number.POSITIVE_INFINITY) {
        signalled = now;
        log.info({ signal }, 'draining; a second signal ends it at once');
        void supervisor.stop();
      } else if (now - signalled > sameSignal && !hurried) {
        hurried = true;
        log.warn({ signal }, 'ending at once');
        supervisor.kill();
      }
    });
  }
  const fault = await supervisor.start();
  const stopping = supervisor.status.state === 'stopping';
  if (fault !== null && !stopping) {
    complain(fault);
    return exitCode.failed;
  }
  if (!stopping) announce(supervisor.status);
  await supervisor.ended;
  flushLogs();
  return hurried ? exitCode.failed : exitCode.done;
}
