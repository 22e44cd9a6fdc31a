import { defineConfig } from 'vitest/config';

const source = (path: string) => new URL(path, import.meta.url).pathname;

export default defineConfig({
  resolve: {
    alias: [
      { find: /^restante$/, replacement: source('src/index.ts') },
      { find: /^restante\/testing$/, replacement: source('src/testing.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Two cores: the end-to-end tests start servers of their own, so two files at a time.
    maxWorkers: 2,
  },
});
