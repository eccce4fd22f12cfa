import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // For the many processes that tests start: stripping types anew in each would be half of their work.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/fly-edge-tests', import.meta.url)) },
    // End-to-end tests start processes of their own: more at once would only wait for the same two cores.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
