import type { FindingCode } from '../codes'
import type { Evidence, ServerStage, SocketDone } from '../evidence'
import { closedByServer, cutAt, ms, opened, works } from '../facts'
import type { Advice, Severity } from '../finding'
import type { Row } from './rule'

interface Word { code: FindingCode; title: string; severity: Severity; advice: Advice }

const word = (code: FindingCode, title: string, text: string, severity: Severity = 'critical'): Word => ({ code, title, severity, advice: { text } })

const words: Readonly<Record<number, Word>> = {
  1001: word('server_draining', 'The server closed the connection because it is being shut down or updated.', 'Wait until it has been restarted.'),
  1008: word('policy_violation', 'The server closed the connection because a rule was broken.', 'The reason in the evidence names the rule.'),
  1009: word('message_too_big', 'A message was bigger than the server takes.', 'Send less in one message, or raise gateway.max-frame-bytes.', 'warning'),
  1011: word('server_error', 'The server closed the connection because of an internal error.', 'Look into the server’s log at the time of the attempt; the trace id finds it.'),
  1013: word('server_busy', 'The server closed the connection because it is overloaded.', 'Wait; if it stays so, add a gateway or raise its limits.'),
  4001: word('token_expired', 'The server closed the connection because the token expired.', 'Send a new token with an auth frame before the old one expires.'),
  4003: word('kicked', 'A moderator removed this user.', 'Only a moderator can undo that.'),
  4008: word('slow_consumer', 'The server closed the connection because what it sent was not read fast enough.', 'The network or the page is too slow for the traffic of the joined rooms. Join fewer rooms, or raise gateway.max-outbound-bytes.', 'warning'),
  4009: word('heartbeat_missed', 'The server closed the connection because nothing came from the browser for two heartbeats.', 'The connection was dead in one direction: a network that changed, a machine asleep, or a box that drops idle connections without a word. Lower gateway.heartbeat, and run the idle test.', 'warning'),
  4029: word('rate_limited', 'The server closed the connection because too much was sent.', 'Send less often, or raise gateway.sends-per-second.', 'warning'),
}

/** What a close code of the server means. */
export function closeWord(code: number): Word {
  return words[code] ?? word('server_closed', `The server closed the connection with code ${String(code)}.`, 'The table of close codes in docs/protocol.md says what it means.')
}

function closeEvidence(stage: ServerStage): string {
  const reason = stage.closeReason ? ` (${stage.closeReason})` : ''
  return `The server recorded: closed with ${String(stage.closeCode ?? 0)}${reason}, ${ms(stage.sinceAcceptMs)} after it accepted the connection.`
}

const browserSaw = (a: SocketDone): string =>
  `The browser saw the connection open and end with code ${String(a.closeCode ?? 'none')} after ${ms(a.endMs)}.`

const ended = (e: Evidence): SocketDone | undefined =>
  opened(e.attempt) && !e.attempt.endedHere && !e.attempt.timedOut ? e.attempt : undefined

/** What ends a connection that had opened. The first row that fits decides. */
export const closedRows: readonly Row[] = [
  {
    code: 'server_closed', when: 'opened, and the server recorded that it closed it with a code',
    judge: (e) => {
      const attempt = ended(e), stage = closedByServer(e.record)
      if (!attempt || !stage) return undefined
      return { ...closeWord(stage.closeCode ?? 0), confidence: 'proved', evidence: [closeEvidence(stage), browserSaw(attempt)] }
    },
  },
  {
    code: 'connection_cut', when: 'opened, and the connection ended under the server without a close frame',
    judge: (e) => {
      const attempt = ended(e), stage = cutAt(e.record)
      if (!attempt || !stage || attempt.closeCode !== 1006) return undefined
      return {
        severity: 'critical', confidence: 'proved',
        title: `Something between browser and server cut the connection ${ms(attempt.endMs)} after it began.`,
        evidence: [browserSaw(attempt), 'The server lost the connection too, without a close frame from either side.'],
        advice: { text: 'Look at what stands between: proxy, firewall, VPN, virus scanner. The idle test tells whether it cuts quiet connections only.', fix: 'timeout' },
      }
    },
  },
  {
    code: 'server_closed', when: 'opened, closed with a code, no record of the server to compare',
    judge: (e) => {
      const attempt = ended(e), code = attempt?.closeCode ?? 0
      if (!attempt || code === 0 || code === 1000 || code === 1005 || code === 1006) return undefined
      return { ...closeWord(code), confidence: 'likely', evidence: [browserSaw(attempt), 'The server’s own record could not be read: a proxy may have closed it in the server’s name.'] }
    },
  },
  {
    code: 'connection_cut', when: 'opened and cut, no record of the server to compare',
    judge: (e) => {
      const attempt = ended(e)
      if (!attempt) return undefined
      return {
        severity: 'critical', confidence: 'unknown',
        title: 'The connection opened and ended at once; it is not known by whom.',
        evidence: [browserSaw(attempt), 'The server’s own record could not be read, or does not say.'],
        advice: { text: 'Run the diagnosis again, or in a terminal, which sees more.', command: doctor(e) },
      }
    },
  },
  {
    code: 'storage_unavailable', when: 'opened, and the server answered that it cannot store',
    judge: (e) => opened(e.attempt) && e.attempt.errors.includes('storage_unavailable')
      ? {
          severity: 'critical', confidence: 'proved', title: 'The server is reached but cannot store messages: its log (JetStream) does not answer.',
          evidence: ['The server answered storage_unavailable over the open connection.'],
          advice: { text: 'Look at the NATS servers, the disk of the data directory, and nats.url.' },
        }
      : undefined,
  },
  {
    code: 'silent_after_open', when: 'opened, and then no frame of the server came in time',
    judge: (e) => {
      if (!opened(e.attempt) || !e.attempt.timedOut) return undefined
      return {
        severity: 'critical', confidence: 'likely',
        title: 'The connection opens, but then what the server sends does not arrive.',
        evidence: [`Opened after ${ms(e.attempt.openMs ?? 0)}; ${e.attempt.welcomeMs === undefined ? 'no frame' : 'no answer to a ping'} within ${ms(e.attempt.endMs)}.`],
        advice: { text: 'A box on the way holds back or drops frames after the handshake (a buffering proxy, a filter for WebSocket content, a packet filter). Try wss:// on port 443, where boxes cannot look inside.', fix: 'buffering', command: doctor(e) },
      }
    },
  },
  {
    code: 'server_error', when: 'opened, an error frame came instead of work',
    judge: (e) => opened(e.attempt) && e.attempt.errors.length > 0 && !works(e.attempt)
      ? {
          severity: 'critical', confidence: 'proved', title: `The server is reached and answers with an error: ${e.attempt.errors.join(', ')}.`,
          evidence: [`Error frames: ${e.attempt.errors.join(', ')}.`], advice: { text: 'The code is explained in docs/protocol.md; the server’s log has more.' },
        }
      : undefined,
  },
]

/** A close frame that did not arrive, beside its cause. */
export const closeLostRow: Row = {
  code: 'close_frame_lost', when: 'the server closed with a code, and the browser saw 1006',
  judge: (e) => {
    const attempt = ended(e), stage = closedByServer(e.record)
    if (!attempt || !stage || attempt.closeCode !== 1006) return undefined
    return {
      severity: 'info', confidence: 'proved', title: 'The server’s close frame was lost on the way.',
      evidence: [closeEvidence(stage), browserSaw(attempt)],
      advice: { text: 'A proxy ends connections before it has passed everything on; the client cannot tell the reason by itself.' },
    }
  },
}

/** The line for a terminal. */
export function doctor(e: Evidence): string {
  return `partyline doctor ${quote(e.target.ws)}`
}

function quote(text: string): string {
  return /^[A-Za-z0-9:/._~[\]-]+$/.test(text) ? text : `'${text.replaceAll('\'', '\'\\\'\'')}'`
}
