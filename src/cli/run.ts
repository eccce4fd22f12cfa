import { type Command, Option } from 'commander';
import type { Plan } from '../config/plan.ts';
import { planFor, quickDefaults } from '../config/quick.ts';
import type { Status } from '../supervisor/status.ts';
import { authority } from './authority.ts';
import { configOption, defaultConfig, readPlan, tell } from './config.ts';
import { complain, exitCode } from './exit.ts';

interface Options {
  config?: string;
  to?: string;
  listen?: string;
  metrics?: string;
  app?: string;
}

export function runCommand(program: Command): void {
  program
    .command('run')
    .description('run the edge in the foreground until SIGTERM or SIGINT, then drain')
    .option(...configOption)
    .option('--to <host:port>', 'no configuration: an edge in front of one server; or unix:PATH')
    .addOption(quick('--listen <host:port>', 'where to listen', quickDefaults.listen))
    .addOption(quick('--metrics <host:port>', 'where its series are scraped', quickDefaults.metrics))
    .addOption(quick('--app <name>', 'the label app of its series', quickDefaults.app))
    .action(async (options: Options) => {
      const config = options.config ?? (options.to === undefined ? defaultConfig() : null);
      const plan = await planOf(options, config);
      if (plan === null) return void (process.exitCode = exitCode.usage);
      // The other commands do without the supervisor and what it loads.
      const { serve } = await import('./serve.ts');
      process.exitCode = await serve(plan, config, announce);
    });
}

/** Its default is told, and not set: with a file the option is an error. */
const quick = (flags: string, description: string, fallback: string): Option =>
  new Option(flags, `with --to: ${description} (default: "${fallback}")`);

async function planOf(
  { config: named, to, listen, metrics, app }: Options,
  config: string | null,
): Promise<Plan | null> {
  if ((config === null) === (to === undefined) || (named !== undefined && to !== undefined)) {
    complain('run needs either --config FILE or --to HOST:PORT');
    return null;
  }
  if (config !== null) {
    const option = Object.entries({ listen, metrics, app }).find(([, value]) => value !== undefined)?.[0];
    if (option === undefined) return readPlan(config, { warn: true });
    complain(`--${option} goes with --to: leave it out, ${config} is what says that`);
    return null;
  }
  const options = Object.entries({ listen, metrics, app }).filter(([, value]) => value !== undefined);
  const plan = planFor({ to: to!, ...Object.fromEntries(options) });
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
