import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // For the many processes that tests start: stripping types anew in each would be half of their work.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/fly-edge-tests', import.meta.url)) },
    // Of two cores 60 % were busy with two at once: end-to-end tests wait for timeouts and for processes to come and go.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
