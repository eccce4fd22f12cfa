import { exitCode } from './exit.ts';

/**
 * A full disk, or a terminal that is gone, ends nothing: an edge serves on, and what a command could not say its exit code tells.
 * A reader that has seen enough (`| head`) is no fault.
 */
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code !== 'EPIPE') process.exitCode ||= exitCode.failed;
});
process.stderr.on('error', () => {});
