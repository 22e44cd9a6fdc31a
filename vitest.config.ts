import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: the end-to-end tests start servers of their own, so two files at a time.
    maxWorkers: 2,
  },
});
