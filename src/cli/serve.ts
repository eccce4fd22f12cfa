import { resolve } from 'node:path';
import { loadApart } from '../config/load-apart.ts';
import type { Plan } from '../config/plan.ts';
import { eventLog, faultOf, reopenLogs } from '../log/log.ts';
import { keepCompiled } from '../supervisor/compile-cache.ts';
import { Predecessor } from '../supervisor/predecessor.ts';
import type { Status } from '../supervisor/status.ts';
import { Supervisor, type SupervisorOptions } from '../supervisor/supervisor.ts';
import { notifySystemd } from '../supervisor/systemd.ts';
import { complain, type ExitCode, exitCode } from './exit.ts';
import { lastLines } from './last-lines.ts';
import { endings } from './signals.ts';

/**
 * Ctrl-C reaches the whole process group, and npm and npx pass on what they get: one wish to stop may come as
 * several signals within moments. Only one that comes later is the second.
 */
const sameSignal = 500;

/**
 * Runs an edge until it is told to stop.
 * @param config where the plan comes from; null when there is no file.
 * @param announce called once it serves.
 * @param predecessor the supervisor that it replaces.
 * @param irreplaceable why no other may replace it; null when one may.
 */
export async function serve(
  plan: Plan,
  config: string | null,
  announce: (status: Status) => void,
  { predecessor = null, irreplaceable = null }: Pick<SupervisorOptions, 'predecessor' | 'irreplaceable'> = {},
): Promise<ExitCode> {
  const unwritable = plan.log.file === null ? null : faultOf(plan.log.file);
  if (unwritable !== null) {
    complain(unwritable);
    return exitCode.failed;
  }
  const log = eventLog({ process: 'supervisor' }, plan.log.file);
  const load = async (file: string | null) =>
    file === null ? { plan, faults: [], warnings: [] } : await loadApart(file);
  const from = config === null ? null : resolve(config);
  const supervisor = new Supervisor(plan, { log, load, config: from, predecessor, irreplaceable });
  let signalled = Number.POSITIVE_INFINITY;
  let hurried = false;
  for (const signal of endings) {
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
  process.on('SIGHUP', () => void supervisor.restart());
  process.on('SIGUSR1', () => {
    reopenLogs();
    supervisor.reopenLogs();
    log.info({ signal: 'SIGUSR1' }, 'logs are opened anew');
  });
  process.on('SIGUSR2', () => log.info({ signal: 'SIGUSR2' }, 'this signal means nothing here'));
  process.on('uncaughtException', (error) => {
    // It carries no traffic but holds all sockets and counts: what is wrong is told, and the slots serve on.
    log.fatal({ err: error }, 'the supervisor failed at something');
  });
  const fault = await supervisor.start();
  const stopping = supervisor.status.state === 'stopping';
  if (fault !== null && !stopping) {
    if (predecessor === null) complain(fault);
    else await Predecessor.refuse(fault);
    return exitCode.failed;
  }
  if (!stopping) notifySystemd(['READY=1', `MAINPID=${process.pid}`]);
  keepCompiled();
  if (!stopping) announce(supervisor.status);
  await supervisor.ended;
  await lastLines();
  return hurried ? exitCode.failed : exitCode.done;
}
