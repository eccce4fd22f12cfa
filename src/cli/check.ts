import type { Command } from 'commander';
import { formatAddress } from '../config/address.ts';
import type { Plan } from '../config/plan.ts';
import { portsInUse } from '../config/ports-in-use.ts';
import { control } from '../supervisor/control.ts';
import { readPlan, tell, withConfig } from './config.ts';
import { exitCode } from './exit.ts';

export function checkCommand(program: Command): void {
  withConfig(program.command('check'))
    .description('validate a configuration; all faults at once')
    .action(async ({ config }: { config: string }) => {
      const plan = await readPlan(config, { warn: true });
      if (plan === null) return void (process.exitCode = exitCode.usage);
      const faults = await portsInUse(plan, await ownPorts(plan));
      tell(faults);
      if (faults.length > 0) return void (process.exitCode = exitCode.usage);
      const instances = plan.apps.reduce((sum, app) => sum + app.instances.length, 0);
      process.stdout.write(
        `${config}: good: ${count(plan.apps.length, 'app')}, ${count(instances, 'instance')}, ${count(plan.listeners.length, 'listener')}\n`,
      );
    });
}

/** What the running edge with this configuration listens on; it may stay there. */
async function ownPorts({ metrics, slots }: Plan): Promise<Set<string>> {
  const running = slots.control === null ? null : await control(slots.control, { command: 'status' });
  if (running === null || !running.ok) return new Set();
  const { status } = running;
  const scrape = formatAddress({ host: metrics.host, port: status.metrics.port });
  return new Set([...status.listeners.map(({ key }) => key), scrape]);
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
