/** Every command, in the order of the help. */

import type { Command } from 'commander';
import { agentCommand } from './agent.ts';
import { checkCommand } from './check.ts';
import { demoCommand } from './demo.ts';
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

export const commands: readonly ((program: Command) => void)[] = [
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
  agentCommand,
  demoCommand,
  successorCommand,
];
