import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// The page on 5173 reaches a backend through its own origin.
const backend = process.env.PARTYLINE_BACKEND ?? 'http://localhost:8000'

export default defineConfig({
  plugins: [react()],
  build: { target: 'es2023', emptyOutDir: true },
  server: {
    port: 5173,
    strictPort: true,
    proxy: {
      '/ws': { target: backend, ws: true, changeOrigin: true },
      '/chat': { target: backend, changeOrigin: true },
      '/api': { target: backend, changeOrigin: true },
    },
  },
  // A busy machine is no failure.
  test: { include: ['src/**/*.test.{ts,tsx}'], testTimeout: 60_000 },
})
