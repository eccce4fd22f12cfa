import type { Command } from 'commander';
import { formatFault } from '../config/fault.ts';
import { loadPlan } from '../config/load.ts';
import type { ToPredecessor } from '../supervisor/succession.ts';
import { configOption } from './config.ts';
import { complain, type ExitCode, exitCode } from './exit.ts';

/** What `upgrade` has the supervisor that runs start. */
export function successorCommand(program: Command): void {
  program
    .command('successor', { hidden: true })
    .requiredOption(...configOption)
    .action(async ({ config }: { config: string }) => {
      if (process.send === undefined) {
        complain('successor is what upgrade starts: use fly-edge upgrade');
        process.exitCode = exitCode.usage;
        return;
      }
      try {
        process.exitCode = await succeed(config);
      } catch (error) {
        // The version on disk is broken: whoever asked for the upgrade is told.
        process.exitCode = await refuse(`the version on disk is broken: ${placed(error as Error)}`);
      }
    });
}

async function succeed(config: string): Promise<ExitCode> {
  const { plan, faults } = await loadPlan(config);
  if (plan === null) return refuse(faults.map(formatFault).join('\n'));
  const { Predecessor } = await import('../supervisor/predecessor.ts');
  const { slowestStart } = await import('../supervisor/start-time.ts');
  const { serve } = await import('./serve.ts');
  const predecessor = await Predecessor.meet(slowestStart(plan));
  if (typeof predecessor === 'string') return refuse(predecessor);
  return serve(plan, config, () => {}, { predecessor });
}

/** Node tells the place of a syntax error in the first line of the stack alone. */
function placed({ name, message, stack = '' }: Error): string {
  return name === 'SyntaxError' ? `${stack.slice(0, stack.indexOf('\n'))}: ${message}` : message;
}

function refuse(reason: string): Promise<ExitCode> {
  const message: ToPredecessor = { type: 'failed', reason };
  return new Promise((resolve) => process.send!(message, undefined, {}, () => resolve(exitCode.failed)));
}
