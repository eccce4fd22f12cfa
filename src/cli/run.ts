import type { Command } from 'commander';
import type { Plan } from '../config/plan.ts';
import { planFor } from '../config/quick.ts';
import type { Status } from '../supervisor/status.ts';
import { authority } from './authority.ts';
import { configOption, readPlan, tell } from './config.ts';
import { complain, exitCode } from './exit.ts';

interface Options {
  config?: string;
  to?: string;
  listen?: string;
  app?: string;
}

export function runCommand(program: Command): void {
  program
    .command('run')
    .description('run the edge in the foreground until SIGTERM or SIGINT, then drain')
    .option(...configOption)
    .option('--to <host:port>', 'no configuration: an edge in front of one server')
    .option('--listen <host:port>', 'with --to: where to listen')
    .option('--app <name>', 'with --to: the label app of its series')
    .action(async (options: Options) => {
      const plan = await planOf(options);
      if (plan === null) return void (process.exitCode = exitCode.usage);
      // The other commands do without the supervisor and what it loads.
      const { serve } = await import('./serve.ts');
      process.exitCode = await serve(plan, options.config ?? null, announce);
    });
}

async function planOf({ config, to, listen, app }: Options): Promise<Plan | null> {
  if ((config === undefined) === (to === undefined)) {
    complain('run needs either --config FILE or --to HOST:PORT');
    return null;
  }
  if (config !== undefined) {
    if (listen === undefined && app === undefined) return readPlan(config);
    complain('--listen and --app go with --to; in a file, write address, ports and app');
    return null;
  }
  const plan = planFor({
    to: to!,
    ...(listen === undefined ? {} : { listen }),
    ...(app === undefined ? {} : { app }),
  });
  if (!('message' in plan)) return plan;
  tell([plan]);
  return null;
}

/** For a reader at a terminal; the log has it as an event. */
function announce({ listeners, metrics, version }: Status): void {
  if (!process.stdout.isTTY) return;
  const where = listeners.map(authority).join(', ');
  process.stdout.write(`fly-edge ${version} serves on ${where}; metrics on http://${authority(metrics)}/metrics\n`);
}
