// Node alone cannot run TypeScript; Vite can, and resolves imports as for the page.
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'

const { module } = await runnerImport(fileURLToPath(import.meta.resolve('./screenshots/run/all.ts')))
await module.takeAll()
