import type { Command } from 'commander';
import { control } from '../supervisor/control.ts';
import { controlPath, withConfig } from './config.ts';
import { complain, exitCode } from './exit.ts';

export function stopCommand(program: Command): void {
  withConfig(program.command('stop'), { told: true })
    .description('drain the running edge and end it')
    .action(async ({ config }: { config: string }) => {
      const path = await controlPath(config);
      if (path === null) return void (process.exitCode = exitCode.usage);
      const response = await control(path, { command: 'stop' });
      if (!response.ok) {
        complain(response.reason);
        process.exitCode = exitCode.failed;
      } else {
        const cut = response.cut === 0 ? '' : `; ${response.cut} connections were cut at the deadline`;
        process.stdout.write(`stopped${cut}\n`);
      }
    });
}
