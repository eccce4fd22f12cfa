import './signals.ts';
import './output.ts';
import { Command, CommanderError } from 'commander';
import { version } from '../base/version.ts';
import { agentCommand } from './agent.ts';
import { exitCode } from './exit.ts';

const program = new Command('fly-edge')
  .description('An edge proxy for TCP, TLS and HTTP that knows exactly what it did')
  .version(version)
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(`fly-edge: ${text.replace(/^error: /, '')}`) });
// An agent runs beside every instance, and should be small: it loads nothing of the others.
const commands = process.argv[2] === 'agent' ? [agentCommand] : (await import('./commands.ts')).commands;
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
// Whether what was said could be written is known a turn later.
await new Promise(setImmediate);
process.exit();
