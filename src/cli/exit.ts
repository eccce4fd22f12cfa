/** Exit codes of the program. */
export const exitCode = { done: 0, failed: 1, usage: 2 } as const;
export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** One line on stderr that says what is wrong. */
export function complain(message: string): void {
  process.stderr.write(`fly-edge: ${message}\n`);
}
