import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: import.meta.dirname, include: ['**/*.soak.ts'], testTimeout: 3_600_000, hookTimeout: 60_000,
    fileParallelism: false, reporters: ['verbose'],
  },
})
