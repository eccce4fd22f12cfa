import { flushLogs } from '../log/log.ts';

/**
 * Writes what waits in the logs, before the end. Where a thread hangs in a write that nobody reads, an exit would wait for it
 * for ever: then the process ends here.
 */
export async function lastLines(): Promise<void> {
  if (!(await flushLogs())) process.kill(process.pid, 'SIGKILL');
}
