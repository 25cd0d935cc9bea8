import { readdirSync, readFileSync } from 'node:fs'
import { expect, it, test } from 'vitest'
import { fixes, programOf, type Program } from './fixes'

const pages = new URL('../../../docs/findings/', import.meta.url)

/** What the help pages print as settings: the block after a line with the name of a program. */
const printed = readdirSync(pages).filter((name) => name.endsWith('.md')).flatMap((name) =>
  [...readFileSync(new URL(name, pages), 'utf8').matchAll(/^(nginx|HAProxy|Caddy|Apache):\n\n```\n([^]*?)\n```$/gm)].map(([, program, text]) => ({ name, program: program as Program, text })))

it('prints on the help pages the very lines that the fault lab runs', () => {
  for (const { name, program, text } of printed) expect(Object.values(fixes).map((fix) => (fix)[program]), name).toContain(text)
})

test.each(Object.entries(fixes))('the lines of %s are on a help page, for each program', (_, fix) => {
  for (const [program, text] of Object.entries(fix)) {
    if (program !== 'cloud') expect(printed).toContainEqual({ name: expect.any(String) as string, program, text })
  }
})

it('leaves no settings on the help pages that nobody runs', () => {
  for (const name of readdirSync(pages)) {
    const blocks = readFileSync(new URL(name, pages), 'utf8').match(/^```$/gm)?.length ?? 0
    expect([name, blocks / 2]).toEqual([name, printed.filter((p) => p.name === name).length])
  }
})

test.each([['nginx/1.22', '', 'nginx'], ['', '1.1 Caddy', 'Caddy'], ['HAProxy', '', 'HAProxy'], ['Apache/2.4', '', 'Apache'], ['awselb/2.0', '', 'cloud'], ['', '', 'nginx'], ['<b>caddy</b>', '', 'Caddy']])('the tab for Server %j and Via %j is %s', (server, via, program) => {
  expect(programOf(server, via)).toBe(program)
})
