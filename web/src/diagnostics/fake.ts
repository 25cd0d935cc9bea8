import { vi } from 'vitest'
import type { DiagEnv, DiagResponse, DiagSocket } from './env'
import type { BrowserFacts, Violation } from './evidence'
import { mark } from './checks/http'
import { browser } from './samples'

/** The server's side of one fake socket. Everything takes `latency` each way. */
export interface Peer {
  readonly url: URL
  readonly protocols: readonly string[]
  /** Answers the handshake. */
  open: (protocol?: string) => void
  say: (data: string | ArrayBuffer) => void
  /** Ends it as browsers tell it: error first where it never opened. */
  end: (code: number) => void
  /** Fires the event error and nothing else, as a blocked connection does. */
  fail: () => void
  /** Called with what the page sends. */
  heard: (data: string | ArrayBuffer) => void
  /** Called when the page closes it. */
  closed: () => void
}

type Serve = (peer: Peer) => void
type Answer = (url: URL, init: RequestInit) => Promise<DiagResponse>

/** A browser and its network in virtual time: use with vi.useFakeTimers(). */
export class FakeBrowser implements DiagEnv {
  latency = 5 // milliseconds each way
  page: BrowserFacts = { ...browser }
  /** What answers sockets; throws as the constructor does. */
  serve: Serve = () => undefined
  answer: Answer = () => Promise.reject(new TypeError('Failed to fetch'))
  picture: () => Promise<{ width: number; height: number }> = () => Promise.resolve({ ...mark })
  readonly opened: string[] = []
  /** Sockets that neither side has ended. */
  live = 0
  private keys = 0
  private readonly reports = new Set<(v: Violation) => void>()

  now = () => Date.now()
  date = () => Date.now()
  setTimeout = (run: () => void, ms: number) => setTimeout(run, ms) as unknown as number
  clearTimeout = (timer: number) => { clearTimeout(timer) }
  randomKey = (length: number) => `key-${String(++this.keys)}-`.padEnd(length, 'x')
  phases = () => undefined
  facts = () => this.page
  onViolation = (report: (v: Violation) => void) => {
    this.reports.add(report)
    return () => { this.reports.delete(report) }
  }

  violate(v: Violation): void {
    for (const report of this.reports) report(v)
  }

  fetch = (url: string, init: RequestInit): Promise<DiagResponse> => unlessAborted(this.answer(new URL(url), init), init.signal ?? undefined)
  image = (_: string, signal: AbortSignal) => unlessAborted(this.picture(), signal)

  connect = (url: string, protocols: string[]): DiagSocket => {
    this.opened.push(url)
    const later = (run: () => void) => { setTimeout(run, this.latency) }
    let state: 'connecting' | 'open' | 'ended' = 'connecting'
    let protocol = ''
    const finish = () => {
      state = 'ended'
      this.live--
    }
    const socket: DiagSocket = {
      onopen: null, onmessage: null, onerror: null, onclose: null, binaryType: 'blob', extensions: '',
      get protocol() { return protocol },
      send: (data) => { if (state === 'open') later(() => { if (state === 'open') peer.heard(data) }) },
      close: () => {
        if (state === 'ended') return
        finish()
        later(() => { peer.closed() })
      },
    }
    const peer: Peer = {
      url: new URL(url), protocols, heard: () => undefined, closed: () => undefined,
      open: (chosen = '') => {
        later(() => {
          if (state !== 'connecting') return
          state = 'open'
          protocol = chosen
          socket.onopen?.()
        })
      },
      say: (data) => { later(() => { if (state === 'open') socket.onmessage?.({ data }) }) },
      end: (code) => {
        later(() => {
          if (state === 'ended') return
          const error = code === 1006
          finish()
          if (error) socket.onerror?.()
          socket.onclose?.({ code, reason: '' })
        })
      },
      fail: () => { later(() => { socket.onerror?.() }) },
    }
    this.live++
    try {
      this.serve(peer)
    } catch (error) {
      this.live--
      throw error
    }
    return socket
  }
}

function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return answer
  return Promise.race([answer, new Promise<T>((_, reject) => {
    if (signal.aborted) reject(new DOMException('aborted', 'AbortError'))
    else signal.addEventListener('abort', () => { reject(new DOMException('aborted', 'AbortError')) }, { once: true })
  })])
}

/** What a page sent, if it is text. */
export const textOf = (data: string | ArrayBuffer): string => typeof data === 'string' ? data : ''

/** An echo server. */
export const echoing: Serve = (peer) => {
  peer.open()
  peer.heard = (data) => { peer.say(data) }
}

/** A chat server that greets and answers pings. */
export const chatting: Serve = (peer) => {
  if (peer.url.pathname.includes('/echo')) {
    echoing(peer)
    return
  }
  peer.open(peer.protocols[0])
  peer.say('{"type":"welcome"}')
  peer.heard = (data) => {
    const frame = JSON.parse(textOf(data)) as { type: string; t: number }
    if (frame.type === 'ping') peer.say(JSON.stringify({ type: 'pong', t: frame.t }))
  }
}

/** Cuts a connection on which nothing was sent for some seconds. */
export const cuttingQuiet = (seconds: number): Serve => (peer) => {
  const end = () => { peer.end(1006) }
  let timer = setTimeout(end, seconds * 1000)
  peer.open()
  peer.heard = (data) => {
    clearTimeout(timer)
    timer = setTimeout(end, seconds * 1000)
    peer.say(data)
  }
  peer.closed = () => { clearTimeout(timer) }
}

/** Cuts every connection after some seconds. */
export const cuttingAll = (seconds: number): Serve => (peer) => {
  echoing(peer)
  const timer = setTimeout(() => { peer.end(1006) }, seconds * 1000)
  peer.closed = () => { clearTimeout(timer) }
}

/** An answer with these pieces, each after some milliseconds. */
export function answered(status: number, type: string, pieces: readonly (string | number)[], headers: Record<string, string> = {}): DiagResponse {
  const all = new Headers({ 'content-type': type, ...headers })
  const queue = [...pieces]
  return {
    status, type: 'basic', headers: all,
    body: new ReadableStream<Uint8Array>({
      async pull(controller) {
        let next = queue.shift()
        while (typeof next === 'number') {
          const ms = next
          await new Promise((resolve) => setTimeout(resolve, ms))
          next = queue.shift()
        }
        if (next === undefined) controller.close()
        else controller.enqueue(new TextEncoder().encode(next))
      },
    }, { highWaterMark: 0 }),
  }
}

export const json = (status: number, value: unknown) => answered(status, 'application/json', [JSON.stringify(value)])

/** Lets virtual time pass until something is settled; fails after an hour of it. */
export async function settled<T>(promise: Promise<T>): Promise<{ value: T; tookMs: number }> {
  const begin = Date.now()
  let done = false as boolean
  const result = promise.finally(() => { done = true })
  while (!done && Date.now() - begin < 3_600_000) await vi.advanceTimersByTimeAsync(10)
  if (!done) throw new Error('not settled within an hour')
  const tookMs = Date.now() - begin
  return { value: await result, tookMs }
}
