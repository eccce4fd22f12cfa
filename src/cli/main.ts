import { Command, CommanderError } from 'commander';
import { version } from '../supervisor/version.ts';
import { checkCommand } from './check.ts';
import { demoCommand } from './demo.ts';
import { exitCode } from './exit.ts';
import { gatewayCommand } from './gateway.ts';
import { restartCommand } from './restart.ts';
import { runCommand } from './run.ts';
import { scrapeConfigCommand } from './scrape-config.ts';
import { statusCommand } from './status.ts';
import { stopCommand } from './stop.ts';
import { successorCommand } from './successor.ts';
import { tokensCommand } from './tokens.ts';
import { topCommand } from './top.ts';
import { upgradeCommand } from './upgrade.ts';

const program = new Command('fly-edge')
  .description('An edge proxy for TCP, TLS and HTTP that knows exactly what it did')
  .version(version)
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(`fly-edge: ${text.replace(/^error: /, '')}`) });
const commands = [
  runCommand,
  checkCommand,
  restartCommand,
  upgradeCommand,
  statusCommand,
  topCommand,
  stopCommand,
  gatewayCommand,
  scrapeConfigCommand,
  tokensCommand,
  demoCommand,
  successorCommand,
];
for (const add of commands) add(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCode.done : exitCode.usage;
  } else {
    // An operator can act on a sentence; FLY_EDGE_DEBUG is for whoever mends the program.
    console.error(`fly-edge: ${(error as Error).message}`);
    if (process.env.FLY_EDGE_DEBUG) console.error(error);
    process.exitCode = exitCode.failed;
  }
}
process.exit();
