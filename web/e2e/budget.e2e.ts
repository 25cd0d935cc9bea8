import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'

const dist = join(import.meta.dirname, '../dist')

/** What is loaded before the chat can be used, in bytes after compression. */
const budget = 200_000

/** The files that a file loads at once: by tags, and by static imports. */
function loads(text: string): string[] {
  const tags = text.matchAll(/<(?:script|link)[^>]*?(?:src|href)="(\/[^"]+\.(?:js|css))"/g)
  const imports = text.matchAll(/(?:^|[;}\s])(?:import|export)\s*(?:[\w*{}\s,$]+from\s*)?["'](\.\/[^"']+\.js)["']/g)
  return [...[...tags].map(([, path = '']) => path), ...[...imports].map(([, path = '']) => `/assets/${path.slice(2)}`)]
}

test('the first load stays within its budget, and brings no page but the chat', async () => {
  const sizes = new Map<string, number>()
  const queue = ['/index.html']
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (sizes.has(path)) continue
    const file = await readFile(join(dist, path), 'utf8')
    sizes.set(path, gzipSync(file).length)
    queue.push(...loads(file))
  }
  const files = [...sizes.keys()]
  expect(files.filter((path) => path.endsWith('.js')).length).toBeGreaterThan(0)
  expect(files.filter((path) => path.endsWith('.css')).length).toBeGreaterThan(0)
  expect(files.filter((path) => /Page|Diagnostics/.test(path))).toEqual([])
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  expect(total, `${files.join(' ')}: ${String(total)} bytes`).toBeLessThan(budget)
})
