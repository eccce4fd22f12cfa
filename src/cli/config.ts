import { parseDuration } from '../config/duration.ts';
import { type Fault, formatFault } from '../config/fault.ts';
import { loadPlan } from '../config/load.ts';
import type { Plan } from '../config/plan.ts';

export const configOption = ['-c, --config <file>', 'the edge.toml'] as const;

/** Reads a configuration and tells its faults and warnings on stderr; null when there are faults. */
export async function readPlan(file: string): Promise<Plan | null> {
  const { plan, faults, warnings } = await loadPlan(file);
  for (const warning of warnings) process.stderr.write(`${formatFault(warning)} (warning)\n`);
  tell(faults);
  return plan;
}

/** One line on stderr for each. */
export function tell(faults: Fault[]): void {
  for (const fault of faults) process.stderr.write(`${formatFault(fault)}\n`);
}

/** Where the edge with this configuration is controlled; told on stderr and null when that cannot be known. */
export async function controlPath(file: string): Promise<string | null> {
  return (await readPlan(file))?.slots.control ?? null;
}

/** Of a duration that is an option; null when it is none, or less than a second. */
export function wholeSeconds(text: string): number | null {
  const milliseconds = parseDuration(text);
  return milliseconds === undefined || milliseconds < 1000 ? null : Math.round(milliseconds / 1000);
}
