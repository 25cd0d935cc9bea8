import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { answered, chatting, FakeBrowser, json, settled } from './fake'
import { run, type Run } from './run'
import { target } from './samples'
import { steps } from './steps'
import type { Target } from './evidence'

beforeEach(() => { vi.useFakeTimers() })
afterEach(() => { vi.useRealTimers() })

const status = { status: 'ok', websocket: { draining: false }, storage: { nats: 'connected' }, analytics: { mode: 'off', ok: false } }
const stage = (name: string, more: object = {}) => ({ stage: name, outcome: 'ok', ts: '', since_accept_us: 1_000, http_version: '1.1', arrived: ['Upgrade'], ...more })

interface Server { record: object[] | 'none' | 'late' | 'never'; http: (url: URL) => ReturnType<FakeBrowser['answer']> | undefined }

/** A server as ours, with these differences. */
function serving(browser: FakeBrowser, server: Partial<Server> = {}): void {
  browser.serve = chatting
  browser.answer = (url) => {
    const own = server.http?.(url)
    if (own) return own
    const trace = /diagnostics\/trace\/(.*)$/.exec(url.pathname)?.[1]
    if (trace !== undefined) {
      const stages = server.record ?? [stage('accept'), stage('upgraded')]
      if (stages === 'never') return new Promise(() => undefined)
      if (stages === 'none') return Promise.resolve(json(404, { trace, stages: [], complete: true }))
      return Promise.resolve(json(200, { trace, stages: stages === 'late' ? [stage('accept')] : stages, complete: true }))
    }
    if (url.pathname.startsWith('/ws/')) return Promise.resolve(json(426, { status: 426, code: 'upgrade_required' }))
    if (url.pathname === '/chat/status/') return Promise.resolve(json(200, { ...status, time: new Date().toISOString() }))
    if (url.pathname.endsWith('/probe')) return Promise.resolve(json(200, { nonce: url.searchParams.get('nonce') }))
    if (url.pathname.endsWith('/handshake')) return Promise.resolve(json(200, { decision: 'accept', status: 101, rule: 'same_host' }))
    return Promise.resolve(json(200, { findings: [] }))
  }
}

async function diagnosis(browser: FakeBrowser, options: { at?: Target; signal?: AbortSignal; words?: string[] } = {}): Promise<Run & { virtualMs: number }> {
  const { value, tookMs } = await settled(run({
    env: browser, target: options.at ?? target, user: 'ana', protocols: ['partyline.v1', 'client.key'], kind: 'chat', earlier: [],
    signal: options.signal ?? new AbortController().signal, onProgress: (p) => options.words?.push(p.words),
  }))
  expect(browser.live).toBe(0)
  return { ...value, virtualMs: tookMs }
}

/** Waits that never end, and those that end just before their limit. */
const never = () => new Promise<never>(() => undefined)
const late = (ms: number, answer: () => ReturnType<FakeBrowser['answer']>) => new Promise<Awaited<ReturnType<FakeBrowser['answer']>>>((resolve, reject) => {
  setTimeout(() => { answer().then(resolve, reject) }, ms)
})

describe('a verdict comes', () => {
  it('within a second where all is well', async () => {
    const browser = new FakeBrowser()
    serving(browser)
    const r = await diagnosis(browser)
    expect([r.verdict.code, r.verdict.confidence]).toEqual(['healthy', 'proved'])
    expect(r.virtualMs).toBeLessThan(1_000)
    expect(steps(r.evidence).map((s) => s.state)).toEqual(Array.from({ length: 8 }, () => 'ok'))
  })

  const refuse: FakeBrowser['serve'] = (peer) => { setTimeout(() => { peer.end(1006) }, 4_800) }
  const silent: FakeBrowser['serve'] = (peer) => { setTimeout(() => { peer.open() }, 4_800) }
  test.each<[string, (browser: FakeBrowser) => void, string]>([
    ['nothing answers', (b) => { b.answer = never; b.picture = never }, 'no_answer'],
    ['everything fails late', (b) => { b.answer = () => late(3_900, () => Promise.reject(new TypeError('no'))); b.serve = refuse }, 'server_unreachable'],
    ['the record never comes', (b) => { serving(b, { record: 'never' }); b.serve = refuse }, 'upgrade_blocked'],
    ['all is late, and the record says nothing', (b) => { serving(b, { record: 'late', http: (url) => url.pathname.includes('/trace/') ? undefined : late(3_900, () => Promise.resolve(json(url.pathname.startsWith('/ws') ? 426 : 200, url.pathname.startsWith('/ws') ? { status: 426, code: 'upgrade_required' } : status))) }); b.serve = refuse }, 'server_stuck'],
    ['it opens late and stays silent', (b) => { serving(b, { http: (url) => url.pathname.startsWith('/ws') ? late(3_900, () => Promise.reject(new TypeError('no'))) : undefined }); b.serve = silent }, 'silent_after_open'],
    ['every round trip takes four seconds', (b) => { serving(b); b.latency = 2_000 }, 'silent_after_open'],
    ['messages come back slowly', (b) => { serving(b); b.latency = 350 }, 'slow_network'],
    ['a proxy waits before each 503', (b) => { serving(b, { record: 'none', http: (url) => url.pathname.startsWith('/ws') ? late(3_050, () => Promise.resolve(answered(503, 'text/html', ['<h1>503']))) : undefined }); b.serve = (peer) => { setTimeout(() => { peer.end(1006) }, 3_050) } }, 'bad_gateway'],
  ])('within twelve seconds though %s', async (_, set, code) => {
    const browser = new FakeBrowser()
    set(browser)
    const r = await diagnosis(browser)
    expect(r.verdict.code).toBe(code)
    expect(r.virtualMs).toBeLessThan(12_000)
  })

  it('soon after a cancel, and says that it is none', async () => {
    const browser = new FakeBrowser(), stop = new AbortController()
    browser.answer = never
    setTimeout(() => { stop.abort() }, 1_000)
    const r = await diagnosis(browser, { signal: stop.signal })
    expect([r.verdict.code, r.cancelled]).toEqual(['incomplete', true])
    expect(r.virtualMs).toBeLessThan(1_100)
  })
})

describe('lessons of the system that was replaced', () => {
  it('a healthy server answers a plain request with 426, and is called healthy', async () => {
    const browser = new FakeBrowser()
    serving(browser)
    const r = await diagnosis(browser)
    expect(r.evidence.route).toMatchObject({ status: 426, kind: 'ours' })
    expect(r.verdict.code).toBe('healthy')
    expect(r.findings.filter((f) => f.kind === 'connection' && f.severity !== 'info')).toEqual([])
  })

  it('an event of an error tells nothing, and is not asked', async () => {
    const browser = new FakeBrowser()
    serving(browser, { record: 'none' })
    browser.serve = (peer) => { peer.end(1006) }
    const plain = browser.connect
    const told: string[] = []
    // An event that answers every question with words, and notes the questions.
    const event = new Proxy({}, { get: (_, name) => { told.push(String(name)); return 'net::ERR_CERT_DATE_INVALID CORS refused timeout' } })
    browser.connect = (url, protocols) => {
      const socket = plain(url, protocols)
      return new Proxy(socket, { set: (s, name, value: ((e: unknown) => void) | null) => Reflect.set(s, name, name === 'onerror' && value ? () => { value(event) } : value) })
    }
    const r = await diagnosis(browser)
    expect(r.verdict.code).toBe('upgrade_blocked')
    expect(told).toEqual([])
    expect(JSON.stringify(r.findings)).not.toContain('ERR_CERT')
  })

  it('on a page that came over https nothing is asked over http or ws', async () => {
    const browser = new FakeBrowser(), asked: string[] = []
    browser.page = { ...browser.page, protocol: 'https:', origin: 'https://chat.test' }
    serving(browser)
    const { answer } = browser
    browser.answer = (url, init) => {
      asked.push(url.protocol)
      return answer(url, init)
    }
    const at = { ws: 'wss://chat.test/ws/chat/', echo: 'wss://chat.test/ws/echo/', http: 'https://chat.test/', route: 'https://chat.test/ws/chat/', origin: 'https://chat.test' }
    expect((await diagnosis(browser, { at })).verdict.code).toBe('healthy')
    expect(new Set(asked)).toEqual(new Set(['https:']))
    expect(new Set(browser.opened.map((url) => new URL(url).protocol))).toEqual(new Set(['wss:']))
  })

  it('CORS that is missing is no reason for a WebSocket that fails', async () => {
    const browser = new FakeBrowser()
    browser.answer = (_, init) => init.mode === 'no-cors' ? Promise.resolve(answered(200, '', [])) : Promise.reject(new TypeError('Failed to fetch'))
    browser.serve = (peer) => { peer.end(1006) }
    const r = await diagnosis(browser)
    expect(r.findings.filter((f) => f.severity === 'critical').map((f) => f.code)).not.toContain('cors_stripped')
    expect(r.findings.find((f) => f.code === 'cors_stripped')?.title).toContain('does not touch the WebSocket')
  })
})

describe('what a hostile server sends', () => {
  const flood = (type: string) => answered(200, type, Array.from({ length: 400 }, () => 'x'.repeat(1 << 16)))

  it('is read in part, however much it is', async () => {
    const browser = new FakeBrowser()
    let read = 0
    serving(browser, { http: () => {
      const answer = flood('application/json'), body = answer.body as ReadableStream<Uint8Array>
      return Promise.resolve({ ...answer, body: body.pipeThrough(new TransformStream({ transform: (chunk: Uint8Array, c) => { read += chunk.length; c.enqueue(chunk) } }, undefined, { highWaterMark: 0 })) })
    } })
    browser.serve = (peer) => { peer.end(1006) }
    const r = await diagnosis(browser)
    expect(r.verdict.code).not.toBe('healthy')
    expect(read).toBeLessThan(4 << 20)
    expect(JSON.stringify(r).length).toBeLessThan(64 << 10)
  })

  it('hangs in the middle of a body, and is given up', async () => {
    const browser = new FakeBrowser()
    serving(browser, { http: (url) => url.pathname === '/chat/status/' ? Promise.resolve(answered(200, 'application/json', ['{"status":', 3_600_000, '"ok"}'])) : undefined })
    const r = await diagnosis(browser)
    expect(r.evidence.status).toMatchObject({ state: 'failed', why: 'timeout' })
    expect(r.virtualMs).toBeLessThan(12_000)
  })

  it('is kept without what could deceive, and short', async () => {
    const evil = `<img src=x onerror=alert(1)>\u202e\u2066\u0007${'A'.repeat(10_000)}`
    const browser = new FakeBrowser()
    serving(browser, {
      record: [stage('accept'), stage(evil, { outcome: 'refused', status: 403, error_type: evil, error_detail: evil })],
      http: (url) => url.pathname.startsWith('/ws/') ? Promise.resolve(answered(403, 'application/problem+json', [JSON.stringify({ status: 403, code: 'forbidden', detail: evil, missing: [evil, 7, null] })], { server: '<b>x</b>', via: 'y'.repeat(5_000) })) : undefined,
    })
    browser.serve = (peer) => { peer.end(1006) }
    const r = await diagnosis(browser)
    expect(r.verdict.code).toBe('request_refused')
    const text = JSON.stringify({ findings: r.findings, steps: steps(r.evidence) })
    // What JSON escapes, and what it does not.
    expect(text).not.toMatch(/\\u00[01]|\p{Cf}/u)
    expect(text.length).toBeLessThan(16 << 10)
  })

  test.each([['an hour', 3_600_000], ['a day behind', -86_400_000], ['ten years', 315_360_000_000]])('a clock that is off by %s is named, and breaks nothing', async (_, off) => {
    const browser = new FakeBrowser()
    serving(browser, { http: (url) => url.pathname === '/chat/status/' ? Promise.resolve(json(200, { ...status, time: new Date(Date.now() + off).toISOString() })) : undefined })
    const r = await diagnosis(browser)
    expect([r.verdict.code, r.verdict.severity]).toEqual(['clock_skew', 'warning'])
    expect(Math.abs((r.evidence.clockOffsetMs ?? 0) - off)).toBeLessThan(100)
  })

  test.each([['no time', ''], ['words', 'yesterday'], ['too far', '+999999-01-01T00:00:00Z']])('a clock of %s is not known', async (_, time) => {
    const browser = new FakeBrowser()
    serving(browser, { http: (url) => url.pathname === '/chat/status/' ? Promise.resolve(json(200, { ...status, time })) : undefined })
    expect((await diagnosis(browser)).verdict.code).toBe('healthy')
  })
})

it('tells how far it has come', async () => {
  const browser = new FakeBrowser(), words: string[] = []
  serving(browser)
  await diagnosis(browser, { words })
  expect(words).toEqual(['Asking the server over HTTP', 'Opening the WebSocket as the chat does', 'Measuring the connection', 'Judging'])
})

it('waits for the policy of the page to be reported where the constructor throws', async () => {
  const browser = new FakeBrowser()
  serving(browser)
  browser.serve = (peer) => {
    setTimeout(() => { browser.violate({ blocked: peer.url.href, directive: 'connect-src', enforced: true }) }, 20)
    throw Object.assign(new Error(''), { name: 'NS_ERROR_CONTENT_BLOCKED' })
  }
  const r = await diagnosis(browser)
  expect([r.verdict.code, r.verdict.confidence]).toEqual(['csp_blocked', 'proved'])
})
