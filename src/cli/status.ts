import type { Command } from 'commander';
import { control } from '../supervisor/control.ts';
import type { Status } from '../supervisor/status.ts';
import { authority } from './authority.ts';
import { controlPath, withConfig } from './config.ts';
import { complain, exitCode } from './exit.ts';
import { table } from './table.ts';

export function statusCommand(program: Command): void {
  withConfig(program.command('status'))
    .description('slots, workers, connections, instances and their health')
    .option('--json', 'as JSON')
    .action(async ({ config, json }: { config: string; json?: true }) => {
      const path = await controlPath(config);
      if (path === null) return void (process.exitCode = exitCode.usage);
      const response = await control(path, { command: 'status' });
      if (!response.ok) {
        complain(response.reason);
        process.exitCode = exitCode.failed;
      } else {
        process.stdout.write(json ? `${JSON.stringify(response.status)}\n` : text(response.status));
      }
    });
}

function text({ version, pid, uptime, state, listeners, metrics, slots, instances }: Status): string {
  const lines = [
    `fly-edge ${version}, pid ${pid}, ${state}, up ${uptime} s`,
    `listening on ${listeners.map(authority).join(', ')}`,
    `metrics on http://${authority(metrics)}/metrics`,
  ];
  for (const slot of slots) {
    const { colour, generation, version, connections, restarts } = slot;
    lines.push(
      `slot ${colour}, generation ${generation}, ${slot.state}, version ${version}, ${connections} connections, ${restarts} restarts`,
    );
    for (const worker of slot.workers) {
      lines.push(`  worker ${worker.index}  pid ${worker.pid}  ${worker.state}  ${worker.connections} connections`);
    }
  }
  lines.push(
    ...table(instances.map((i) => [i.app, i.instance, i.address, i.health + passive(i), `${i.inFlight} in flight`])),
  );
  return `${lines.join('\n')}\n`;
}

/** What is said of one that its checks find healthy, though its requests fail. */
const passive = ({ passive, ejectedFor }: Status['instances'][number]): string =>
  passive === 'healthy' ? '' : passive === 'trial' ? ', on trial' : `, ejected for ${ejectedFor} s`;
