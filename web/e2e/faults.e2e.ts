import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cases, elsewhere, everyday, type Case } from './faults/list'
import { inOther, inPage, inTerminal } from './faults/look'
import { ownNetwork } from './faults/network'
import { firefox, webkit, type Other } from './faults/others'
import { document, type Elsewhere, type Outcome, type Row, type Shown } from './faults/report'
import { scene, type Later } from './faults/scene'
import { configurations, snippets } from './faults/snippets'
import { Certificates, flagsOf, program } from './faults/standing'
import { launch } from './launch'
import { Server } from './server'

const whole = process.env.FAULTLAB === '1'
const flags = whole ? await flagsOf() : ''
const can = (c: Case) => (c.needs === undefined || flags.includes(`${c.needs} `)) && (c.packets === undefined || ownNetwork)
const chosen = cases.filter((c) => whole ? can(c) : everyday.has(c.name))
const rows: Row[] = [], others: Elsewhere[] = [], shown: Shown[] = []

let browser: Browser
let server: Server
let certificates: Certificates

beforeAll(async () => {
  [certificates, server] = await Promise.all([Certificates.make(), Server.create(['--http-public-hosts', 'chat.example.org'])])
  browser = await launch(`--ignore-certificate-errors-spki-list=${await certificates.pin()}`, '--host-resolver-rules=MAP lab.test 127.0.0.1')
})
afterAll(async () => {
  await browser.close()
  await server.remove()
  await certificates.remove()
  // A run that was cut short or narrowed down says nothing about the whole.
  if (!whole || rows.length < chosen.length || shown.length < snippets.length) return
  const left = cases.filter((c) => !chosen.includes(c)).map((c) => c.name)
  await writeFile(join(import.meta.dirname, '../../docs/diagnosis.md'), document({ rows, others, shown, left }))
})

// No verdict counts as a wrong one.
const silence = (error: unknown): Outcome => ({ code: `none: ${String(error).split('\n', 1)[0] ?? ''}`, confidence: 'none', ms: 0 })

async function undo(later: Later): Promise<void> {
  for (const step of later.reverse()) await step()
}

// Beside one another where times are not measured: most of a case is waiting.
(whole ? test : test.concurrent).each(chosen)('$name', async (c) => {
  const later: Later = []
  try {
    const ways = await scene(c, server, certificates, later)
    const page = () => inPage(browser, c, ways).catch(silence), doctor = () => inTerminal(c, ways, certificates.authority).catch(silence)
    // One after the other where times are measured.
    const row: Row = whole ? { c, page: await page(), doctor: await doctor() } : await Promise.all([page(), doctor()]).then(([p, d]) => ({ c, page: p, doctor: d }))
    rows.push(row)
    expect({ page: row.page.code, doctor: row.doctor.code }).toEqual({ page: c.page, doctor: c.doctor })
  } finally {
    await undo(later)
  }
})

describe.runIf(whole).each([['Firefox ESR', firefox], ['WebKitGTK', webkit]])('%s', (_, start) => {
  let other: Other
  beforeAll(async () => { other = await start() })
  afterAll(() => other.close())

  test.each(cases.filter((c) => elsewhere.has(c.name)))('$name', async (c) => {
    const later: Later = []
    try {
      const page = await inOther(other, c, await scene(c, server, certificates, later)).catch(silence)
      others.push({ c, browser: `${other.name} ${other.version}`, page })
      expect(page.code).toBe(c.page)
    } finally {
      await undo(later)
    }
  })
})

test.runIf(whole).each(snippets)('the snippet "$fix" for $program ends $before', async (s) => {
  const { faulty, repaired } = configurations(s)
  const said: string[] = []
  for (const config of [faulty, repaired]) {
    const real = await program(s.program.toLowerCase() as 'nginx', config, new URL(server.url).host, { CERTIFICATE: certificates.path('good') })
    try {
      const c: Case = { name: '', fault: {}, page: '', doctor: '', stream: s.fix === 'buffering', ...s.fix === 'timeout' && { idle: '9s' } }
      said.push((await inTerminal(c, { page: '', ws: real.port, http: real.port, secure: s.fix === 'tls' }, certificates.authority)).code)
    } finally {
      await real.stop()
    }
  }
  shown.push({ s, before: said[0] ?? '', after: said[1] ?? '' })
  expect(said).toEqual([s.before, 'healthy'])
})
