import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { parseDuration } from '../config/duration.ts';
import { type Fault, formatFault } from '../config/fault.ts';
import { loadPlan } from '../config/load.ts';
import type { Plan } from '../config/plan.ts';
import { complain } from './exit.ts';

/** Where edge.toml is looked for when no option names it; an environment variable goes before, whether its file is there or not. */
const places = ['edge.toml', '/etc/fly-edge/edge.toml'];
const variable = 'FLY_EDGE_CONFIG';

export const configOption = [
  '-c, --config <file>',
  `the edge.toml (default: $${variable}, else ./${places.join(', else ')})`,
] as const;

/** The edge.toml of a command that was given none; null when there is none. */
export const defaultConfig = (): string | null =>
  process.env[variable] || (places.find((place) => existsSync(place)) ?? null);

/**
 * Gives a command the option `--config`, with its default.
 * @param told says which file it is, where it was not named: the command changes the edge that runs.
 */
export const withConfig = (command: Command, { told = false } = {}): Command =>
  command.option(...configOption).hook('preAction', (_, command) => {
    if (command.opts().config !== undefined) return;
    const file = defaultConfig();
    if (file === null) {
      command.error(
        `no configuration: write --config FILE, or set ${variable}; there is no ./${places.join(' and no ')}`,
      );
    } else {
      command.setOptionValue('config', file);
      if (told) complain(`the configuration is ${resolve(file)}`);
    }
  });

/**
 * Reads a configuration and tells its faults on stderr; null when there are any.
 * @param warn tells its warnings too: for commands that put it to use. Whoever only asks for an edge has read them then.
 */
export async function readPlan(file: string, { warn = false } = {}): Promise<Plan | null> {
  const { plan, faults, warnings } = await loadPlan(file);
  if (warn) for (const warning of warnings) process.stderr.write(`${formatFault(warning)} (warning)\n`);
  tell(faults);
  return plan;
}

/** One line on stderr for each. */
export function tell(faults: Fault[]): void {
  for (const fault of faults) process.stderr.write(`${formatFault(fault)}\n`);
}

/** Where the edge with this configuration is controlled; told on stderr and null when that cannot be known. */
export async function controlPath(file: string, options?: { warn: boolean }): Promise<string | null> {
  return (await readPlan(file, options))?.slots.control ?? null;
}

/** The seconds of a duration that is an option; null when it is none, or less than a second. */
export function wholeSeconds(text: string): number | null {
  const milliseconds = parseDuration(text);
  return milliseconds === undefined || milliseconds < 1000 ? null : Math.round(milliseconds / 1000);
}
