import { resolve } from 'node:path';
import type { Command } from 'commander';
import { control } from '../supervisor/control.ts';
import { controlPath, withConfig } from './config.ts';
import { complain, exitCode } from './exit.ts';

export function restartCommand(program: Command): void {
  withConfig(program.command('restart'), { told: true })
    .description('serve with the configuration and the code that are on disk now; loses no connection')
    .action(async ({ config }: { config: string }) => {
      const path = await controlPath(config, { warn: true });
      if (path === null) return void (process.exitCode = exitCode.usage);
      const response = await control(path, { command: 'restart', config: resolve(config) });
      if (!response.ok) {
        for (const reason of response.reason.split('\n')) complain(reason);
        process.exitCode = exitCode.failed;
      } else {
        process.stdout.write(`${response.changes.join('\n')}\n`);
      }
    });
}
