import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/sequencer.ts';

// Dawn aborts in worker threads: each test file gets a process. Two at once, as the machine has two cores.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    exclude: ['node_modules'],
  },
});
