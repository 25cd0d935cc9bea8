import type { Earlier, EchoFacts, Evidence } from '../evidence'
import {
  closedByServer, cutAt, done, failed, foreign, median, ms, opened, ours, refusal, works,
} from '../facts'
import { closeWord, doctor } from './closed'
import { badHost, originRefused, refusalEvidence } from './refused'
import type { Row, Says } from './rule'

// The limit was told, so nothing was lost without a word.
const tooBig = (echo: EchoFacts): boolean =>
  done(echo.attempt) && echo.attempt.closeCode === 1009 && echo.sizes.some((s) => s.returned === 'no')

export const slowMs = 200
const skewMs = 120_000

const objectAt = (value: unknown, name: string): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[name] === 'object' && (value as Record<string, unknown>)[name] !== null
    ? (value as Record<string, Record<string, unknown>>)[name] ?? {}
    : {}

const status = (e: Evidence): Readonly<Record<string, unknown>> => ours(e.status) ? e.status.body ?? {} : {}

/** Around the WebSocket: the API, the server, the clock. Every row that fits counts. */
export const apiNotes: readonly Row[] = [
  {
    code: 'cors_stripped', when: 'only the CORS headers are missing from an answer of ours',
    judge: (e) => failed(e.status) && e.opaque === 'yes' && e.image === 'yes'
      ? {
          severity: 'warning', confidence: 'proved', title: 'The answers of the API lose their CORS headers on the way. This does not touch the WebSocket itself.',
          evidence: ['The image that only Partyline has loaded, a request without CORS was answered, and the same request with CORS could not be read.'],
          advice: { text: 'Let the proxy pass Access-Control-Allow-Origin, and answer OPTIONS by the server.', fix: 'cors' },
        }
      : undefined,
  },
  {
    code: 'api_unreachable', when: 'the WebSocket works, the API is not reached',
    judge: (e) => opened(e.attempt) && (e.status.state === 'failed' || foreign(e.status))
      && !(failed(e.status) && e.opaque === 'yes' && e.image === 'yes')
      && !(e.status.state === 'failed' && e.status.why === 'blocked')
      ? {
          severity: 'warning', confidence: 'likely', title: 'The WebSocket works, but the API at the other address does not answer as Partyline does.',
          evidence: [e.status.state === 'answered' ? `${e.target.http} answered with status ${String(e.status.status)}, not by Partyline.` : `Requests to ${e.target.http} failed.`],
          advice: { text: 'Send /chat/ and /api/ on to Partyline too.', fix: 'route' },
        }
      : undefined,
  },
  {
    code: 'storage_unavailable', when: 'the status says that the log does not answer',
    judge: (e) => {
      const nats = objectAt(status(e), 'storage').nats
      return nats === false || typeof nats === 'string' && /down|disconnected|unavailable|reconnecting|closed/.test(nats)
        ? {
            severity: 'critical', confidence: 'proved', title: 'The server is reached but cannot store messages: its log (JetStream) does not answer.',
            evidence: [`/chat/status/ says storage.nats: ${JSON.stringify(nats)}.`],
            advice: { text: 'Look at the NATS servers, the disk of the data directory, and nats.url.' },
          }
        : undefined
    },
  },
  {
    code: 'analytics_unavailable', when: 'the status says that statistics are on and do not work',
    judge: (e) => {
      const { mode, ok } = objectAt(status(e), 'analytics')
      return ok === false && mode !== 'off'
        ? {
            severity: 'warning', confidence: 'proved', title: 'The chat works, but statistics are not stored: ClickHouse does not answer.',
            evidence: ['/chat/status/ says analytics.ok: false.'],
            advice: { text: 'Look at ClickHouse and clickhouse.dsn. Telemetry waits in the stream for 72 hours, so nothing is lost yet.' },
          }
        : undefined
    },
  },
  {
    code: 'server_draining', when: 'the status says draining',
    judge: (e) => objectAt(status(e), 'websocket').draining === true && !refusal(e.record)
      ? {
          severity: 'warning', confidence: 'proved', title: 'The server is being shut down or updated.',
          evidence: ['/chat/status/ says websocket.draining: true.'],
          advice: { text: 'Wait until it has been restarted; clients reconnect by themselves.' },
        }
      : undefined,
  },
  {
    code: 'clock_skew', when: 'the clocks of browser and server differ',
    judge: (e) => e.clockOffsetMs !== undefined && Math.abs(e.clockOffsetMs) - (e.clockErrorMs ?? 0) > skewMs
      ? {
          severity: 'warning', confidence: 'proved', title: `The clock of this device and that of the server differ by ${duration(Math.abs(e.clockOffsetMs))}.`,
          evidence: [`The server’s time is ${duration(Math.abs(e.clockOffsetMs))} ${e.clockOffsetMs > 0 ? 'ahead of' : 'behind'} this device’s.`],
          advice: { text: 'Set the clock of the device, or of the server, by the network. Tokens and certificates are refused by wrong clocks.' },
        }
      : undefined,
  },
  {
    code: 'stale_answer', when: 'an answer carried another nonce than the question',
    judge: (e) => e.nonce === 'no'
      ? {
          severity: 'warning', confidence: 'proved', title: 'Something between page and server answers from a store instead of asking the server.',
          evidence: ['The server returns the number that it was asked with; another one came back.'],
          advice: { text: 'A caching proxy or a service worker ignores Cache-Control: no-store. What it says about the server may be old.' },
        }
      : undefined,
  },
  {
    code: 'origin_refused', when: 'the server says in a dry run that it would refuse the origin',
    judge: (e) => {
      if (e.dryRun === 'unknown' || e.dryRun.decision !== 'refuse' || refusal(e.record)) return undefined
      const word = e.dryRun.code === 'bad_host' ? badHost(e.target.ws) : originRefused(e.target.origin)
      if (e.dryRun.code !== 'bad_host' && e.dryRun.code !== 'origin_refused') return undefined
      return {
        ...word, severity: 'critical', confidence: 'proved',
        evidence: [`Asked by a dry run, the server says: a connection with the origin ${e.target.origin} is refused with ${String(e.dryRun.status)} (rule: ${e.dryRun.rule}).`],
      }
    },
  },
]

/** How well an open connection works. */
export const qualityNotes: readonly Row[] = [
  {
    code: 'slow_network', when: 'round trips are long',
    judge: (e) => {
      const middle = e.echo === 'skipped' ? undefined : median(e.echo.samples)
      if (e.echo === 'skipped' || middle === undefined) return undefined
      if (middle < slowMs) return unsteady(e.echo, middle)
      if (2 * e.echo.stallMs > middle) return undefined
      const worst = Math.max(...e.echo.samples)
      return {
        severity: 'warning', confidence: 'proved', title: `The way to the server is slow: a round trip takes ${ms(middle)}${worst > 2 * middle ? `, at times ${ms(worst)}` : ''}.`,
        evidence: [`Median of ${String(e.echo.samples.length)} round trips ${ms(middle)}, worst ${ms(worst)}.`],
        advice: { text: 'Distance, a busy link or lost packets. Compare with another network; a gateway nearer to the users helps.' },
      }
    },
  },
  {
    code: 'message_too_big', when: 'a message as long as the chat allows did not come through',
    judge: (e) => {
      const full = done(e.attempt) && e.attempt.full?.returned === 'no' ? e.attempt.full : undefined
      if (!full) return undefined
      const told = closedByServer(e.record)?.closeCode === 1009
      if (!told && full.closeCode !== 1009) {
        return {
          code: 'large_frames_lost', severity: 'warning', confidence: 'proved', title: `A full message of the chat (${String(full.bytes)} bytes) is lost on the way.`,
          evidence: [`A ping of a few bytes was answered, one of ${String(full.bytes)} bytes was not.`],
          advice: { text: 'A filter on the way limits the size of WebSocket frames. Raise its limit, or use wss:// so that it cannot look inside.' },
        }
      }
      return {
        severity: 'warning', confidence: told ? 'proved' : 'likely', title: `A full message of the chat (${String(full.bytes)} bytes) is bigger than the server takes.`,
        evidence: [told ? 'The server recorded that it closed the connection with 1009 (message too big).' : 'The connection was closed with 1009 (message too big) right after it was sent.'],
        advice: { text: 'Raise gateway.max-frame-bytes to 32KiB or more. If it is that already, a proxy on the way has a limit of its own.' },
      }
    },
  },
  {
    code: 'message_too_big', when: 'a large message was answered with close code 1009',
    judge: (e) => {
      if (e.echo === 'skipped' || !tooBig(e.echo)) return undefined
      const bad = e.echo.sizes.filter((s) => s.returned === 'no')
      return {
        severity: 'warning', confidence: 'likely', title: `A message of ${String(Math.min(...bad.map((s) => s.bytes)))} bytes is bigger than the server takes.`,
        evidence: ['The connection was closed with 1009 (message too big) right after it was sent.'],
        advice: { text: 'Send less in one message, or raise gateway.max-frame-bytes. If that is large enough, a proxy on the way has a limit of its own.' },
      }
    },
  },
  {
    code: 'large_frames_lost', when: 'small messages come back, large ones do not',
    judge: (e) => {
      if (e.echo === 'skipped' || tooBig(e.echo)) return undefined
      const good = e.echo.sizes.filter((s) => s.returned === 'yes'), bad = e.echo.sizes.filter((s) => s.returned === 'no')
      const least = Math.min(...bad.map((s) => s.bytes))
      if (bad.length === 0 || good.length === 0) return undefined
      const kinds = bad.every((s) => s.binary) && good.some((s) => !s.binary && s.bytes >= least) ? 'binary ' : ''
      return {
        severity: 'warning', confidence: 'proved', title: `${kinds === '' ? 'Messages' : 'Binary messages'} of ${String(least)} bytes and more are lost on the way.`,
        evidence: [`Came back: ${sizes(good)}. Did not come back: ${sizes(bad)}.`],
        advice: { text: 'A filter on the way limits the size or kind of WebSocket frames. Raise its limit, or use wss:// so that it cannot look inside.' },
      }
    },
  },
  {
    code: 'echo_unavailable', when: 'the chat opens, the echo route does not',
    judge: (e) => e.echo !== 'skipped' && works(e.attempt) && done(e.echo.attempt) && !e.echo.attempt.opened
      ? {
          severity: 'info', confidence: 'proved', title: 'The chat connects, but the echo address used for measuring does not.',
          evidence: [`${e.target.echo} did not open.`],
          advice: { text: 'Send all of /ws/ on to Partyline if round trips and frame sizes shall be measured.', fix: 'route' },
        }
      : undefined,
  },
]

// TCP sends a lost segment again after a fifth of a second at the earliest.
const again = 180

// Most round trips are short and some are not: lost packets, or a busy machine
// beyond this one, whose own timers were not late.
function unsteady({ samples, stallMs }: EchoFacts, middle: number): Says | undefined {
  if (2 * stallMs > again) return undefined
  const late = samples.filter((s) => s >= again && s > 5 * middle)
  if (late.length < 2 || samples.length < 10) return undefined
  return {
    severity: 'warning', confidence: 'likely', title: `The way to the server is unsteady: ${String(late.length)} of ${String(samples.length)} round trips took ${ms(Math.min(...late))} or more.`,
    evidence: [`Median ${ms(middle)}, worst ${ms(Math.max(...late))}: so long waits TCP for a packet that was lost.`],
    advice: { text: 'Lost packets (a weak radio link, a full line), or a machine that is very busy. The terminal counts lost packets; compare with another network.' },
  }
}

const sizes = (list: { bytes: number; binary: boolean }[]): string =>
  list.map((s) => `${String(s.bytes)}${s.binary ? ' (binary)' : ''}`).join(', ')

/** The newest noted failure that the record or its code explains. */
export const earlierRows: readonly Row[] = [
  {
    code: 'server_closed', when: 'the chat’s own last connection ended, and it is known how',
    judge: (e) => {
      const last = [...e.earlier].sort((a, b) => b.at - a.at).find((x) => explained(x))
      if (!last) return undefined
      const refused = refusal(last.record), closed = closedByServer(last.record)
      if (refused) return works(e.attempt) ? { code: 'request_refused', severity: 'info', confidence: 'proved', title: 'It connects now; an earlier attempt of the chat was refused.', evidence: [refusalEvidence(refused)], advice: { text: 'Nothing is to be done if it does not come back.' } } : undefined
      const code = closed?.closeCode ?? last.closeCode
      if (closed || code !== 1006) {
        const word = closeWord(code)
        return {
          ...word, severity: 'warning', confidence: closed ? 'proved' : 'likely', title: `Before: ${word.title}`,
          evidence: [`The chat’s connection lasted ${duration(last.lastedMs)} and ended with code ${String(last.closeCode)}.`, ...(closed ? [`The server recorded that it closed it with ${String(code)}${closed.closeReason ? ` (${closed.closeReason})` : ''}.`] : [])],
        }
      }
      return {
        code: 'connection_cut', severity: 'warning', confidence: 'proved', title: `Before: something cut the chat’s connection after ${duration(last.lastedMs)}.`,
        evidence: ['The browser saw code 1006, and the server lost the connection without a close frame.'],
        advice: { text: 'Compare the time with the limits of proxies on the way (often 30, 60, 100 or 240 s); the idle test measures it.', fix: 'timeout' },
      }
    },
  },
]

// Codes of a normal end explain nothing.
function explained(x: Earlier): boolean {
  if (refusal(x.record)) return true
  if (!x.opened) return false
  const closed = closedByServer(x.record)
  if (closed) return true
  if (x.closeCode === 1006) return cutAt(x.record) !== undefined
  return x.closeCode !== 1000 && x.closeCode !== 1005 && x.closeCode !== 1001
}

/** Results of the tests that have their own buttons. */
export const longRows: readonly Row[] = [
  {
    code: 'idle_cut', when: 'quiet connections were cut, a busy one was not',
    judge: (e) => {
      const cut = e.long.ladder?.rungs.filter((r) => r.outcome === 'cut' && r.cutAfterS !== undefined) ?? []
      if (!e.long.ladder || cut.length === 0 || e.long.ladder.controlHeld !== 'yes') return undefined
      const after = Math.min(...cut.map((r) => r.cutAfterS ?? Infinity))
      const harmless = e.long.ladder.heartbeatS > 0 && e.long.ladder.heartbeatS < after
      return {
        severity: harmless ? 'info' : 'critical', confidence: 'proved',
        title: `Something on the way cuts connections that are quiet for ${duration(after * 1000)}.`,
        evidence: [`A quiet connection was cut after ${duration(after * 1000)}; a busy one beside it was not. The server’s heartbeat is ${String(e.long.ladder.heartbeatS)} s.`],
        advice: { text: harmless ? 'The heartbeat is shorter, so the chat is not touched.' : 'Lower gateway.heartbeat below that time, or raise the proxy’s read time-out.', fix: 'timeout' },
      }
    },
  },
  {
    code: 'lifetime_cut', when: 'a busy connection was cut too',
    judge: (e) => e.long.lifetime?.cut === true || e.long.ladder?.controlHeld === 'no' && e.long.ladder.rungs.some((r) => r.outcome === 'cut')
      ? {
          severity: 'warning', confidence: 'likely', title: 'Something on the way ends every connection after a time, quiet or not.',
          evidence: [e.long.lifetime?.cut === true ? `A busy connection ended after ${String(e.long.lifetime.livedS)} s.` : 'The busy connection beside the quiet ones was cut too.'],
          advice: { text: 'Proxies and load balancers have a limit for the whole life of a connection (HAProxy: timeout tunnel; cloud balancers: backend time-out). Raise it; the chat resumes without loss meanwhile.', fix: 'timeout' },
        }
      : undefined,
  },
  {
    code: 'proxy_buffering', when: 'a streamed answer came in one piece',
    judge: (e) => {
      const s = e.long.stream
      return s && s.chunks > 0 && s.expectedMs > 0 && s.spreadMs < s.expectedMs / 4
        ? {
            severity: 'warning', confidence: 'proved', title: 'A proxy on the way holds answers back until they are complete.',
            evidence: [`The server sent its answer over ${ms(s.expectedMs)}; it arrived within ${ms(s.spreadMs)}.`],
            advice: { text: 'Turn buffering of responses off for Partyline (nginx: proxy_buffering off).', fix: 'buffering' },
          }
        : undefined
    },
  },
  {
    code: 'resume_broken', when: 'joining again with since did not continue where it ended',
    judge: (e) => e.long.resume?.ok === 'no'
      ? { severity: 'critical', confidence: 'proved', title: 'A reconnect does not continue where the connection ended.', evidence: [e.long.resume.detail], advice: { text: 'Report this with the report attached: the promise of the protocol is broken, or two servers with different logs stand behind one address.' } }
      : undefined,
  },
  {
    code: 'intermittent', when: 'some of several attempts failed',
    judge: (e) => {
      const r = e.long.repeat
      return r && r.failed > 0 && r.failed < r.tried
        ? {
            severity: 'critical', confidence: 'likely', title: `${String(r.failed)} of ${String(r.tried)} connections failed: often one broken gateway behind a balancer.`,
            evidence: [`${String(r.tried)} connections in a row, ${String(r.failed)} failed.`],
            advice: { text: 'Look at the health checks of the balancer (/readyz) and at each gateway by its own address.', command: doctor(e) },
          }
        : undefined
    },
  },
]

function duration(value: number): string {
  const s = value / 1000
  if (s < 10) return `${s.toFixed(1)} s`
  if (s < 120) return `${String(Math.round(s))} s`
  if (s < 7200) return `${String(Math.round(s / 60))} min`
  if (s < 172_800) return `${String(Math.round(s / 3600))} h`
  return `${String(Math.round(s / 86_400))} days`
}

