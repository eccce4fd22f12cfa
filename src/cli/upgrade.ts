import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { control } from '../supervisor/control.ts';
import { controlPath, withConfig } from './config.ts';
import { complain, exitCode } from './exit.ts';

/** From src/cli in a checkout, from dist/cli in a package. */
const launcher = fileURLToPath(new URL('../../bin/fly-edge.js', import.meta.url));

export function upgradeCommand(program: Command): void {
  withConfig(program.command('upgrade'), { told: true })
    .description('as restart, and replace the supervisor too, by the version of this command')
    .action(async ({ config }: { config: string }) => {
      const path = await controlPath(config, { warn: true });
      if (path === null) return void (process.exitCode = exitCode.usage);
      const program: [string, string] = [process.execPath, launcher];
      const response = await control(path, { command: 'upgrade', config: resolve(config), program });
      if (!response.ok) {
        for (const reason of response.reason.split('\n')) complain(reason);
        process.exitCode = exitCode.failed;
      } else {
        process.stdout.write(`pid ${response.pid} leads\n${response.changes.join('\n')}\n`);
      }
    });
}
