import type { Answer, Evidence, SocketDone } from '../evidence'
import {
  answered, failed, foreign, hung, isPrivateHost, ms, notOpened, opened, ours, refusal, refusedFast, sameHost, seen, timedOut, upgraded,
} from '../facts'
import { doctor } from './closed'
import { badHost, draining, full, rate, wrongPath } from './refused'
import type { Row, Says } from './rule'

const browserSaw = (a: SocketDone): string => a.timedOut
  ? `The WebSocket neither opened nor failed within ${ms(a.endMs)}.`
  : `The WebSocket failed after ${ms(a.endMs)}${a.closeCode === undefined ? '' : ` (code ${String(a.closeCode)}, which says nothing)`}.`

const recordWords = (e: Evidence): string => e.record.state === 'none'
  ? 'Every gateway was asked, and none saw the attempt.'
  : 'The server’s own record could not be read.'

const routeWords = (a: Answer): string =>
  `A plain request to the same address was answered with status ${String(a.status)}${a.server === '' ? '' : ` by “${a.server}”`}.`

/** The attempt did not open, and nothing in the record explains it yet. */
const lost = (e: Evidence): SocketDone | undefined => notOpened(e.attempt) && !refusal(e.record) ? e.attempt : undefined

/** The same, and the server cannot have written a 101. */
const notArrived = (e: Evidence): SocketDone | undefined => seen(e.record) ? undefined : lost(e)

/** What keeps a connection from opening, with the server's record of it. */
const recordedRows: readonly Row[] = [
  {
    code: 'subprotocol_stripped', when: '101 was sent, it opens only without subprotocols',
    judge: (e) => {
      const attempt = lost(e)
      if (!attempt || !opened(e.variant) || !attempt.offered) return undefined
      return {
        severity: 'critical', confidence: upgraded(e.record) ? 'proved' : 'likely',
        title: 'Something on the way removes the header Sec-WebSocket-Protocol.',
        evidence: [browserSaw(attempt), `Without subprotocols the same address opened after ${ms(e.variant.openMs ?? 0)}.`, ...(upgraded(e.record) ? ['The server had answered 101 to the first attempt.'] : [recordWords(e)])],
        advice: { text: 'Let the proxy pass Sec-WebSocket-Protocol in both directions. Browsers give a connection up when the offered subprotocol is not answered.', fix: 'upgrade' },
      }
    },
  },
  {
    code: 'handshake_swallowed', when: '101 was sent, and the browser never saw it',
    judge: (e) => {
      const attempt = lost(e)
      if (!attempt || !upgraded(e.record) || opened(e.variant)) return undefined
      return {
        severity: 'critical', confidence: 'proved',
        title: 'The server agreed (101), but its answer was swallowed or rewritten on the way.',
        evidence: ['The server recorded that it wrote 101 Switching Protocols.', browserSaw(attempt)],
        advice: { text: 'A proxy answers in the server’s place, changes Sec-WebSocket-Accept, or resets the connection. The terminal shows the bytes that arrive.', fix: 'upgrade', command: doctor(e) },
      }
    },
  },
  {
    code: 'server_stuck', when: 'the request arrived, and nothing was decided',
    judge: (e) => {
      const attempt = lost(e)
      if (!attempt || !seen(e.record) || upgraded(e.record)) return undefined
      return {
        severity: 'critical', confidence: 'likely', title: 'The request reached the server, which neither accepted nor refused it.',
        evidence: [`Stages that the server recorded: ${e.record.stages.map((s) => s.stage).join(', ')}.`, browserSaw(attempt)],
        advice: { text: 'The server is overloaded or waits for something (a key server for tokens, for example). Look into its log under the trace id.' },
      }
    },
  },
]

const route = (e: Evidence, fits: (a: Answer) => boolean): Answer | undefined =>
  notArrived(e) && foreign(e.route) && fits(e.route) ? e.route : undefined

function says(e: Evidence, a: Answer, title: string, text: string, fix: string, confidence: Says['confidence'] = 'likely'): Says {
  const attempt = notArrived(e)
  return {
    severity: 'critical', confidence, title, evidence: [routeWords(a), ...(attempt ? [browserSaw(attempt)] : []), recordWords(e)],
    advice: { text, fix },
  }
}

/** A plain request to the very address was answered, by something else. */
const foreignRows: readonly Row[] = [
  {
    code: 'redirected', when: 'the same address redirects',
    judge: (e) => {
      const a = route(e, (x) => x.kind === 'redirect' || x.status === 511)
      return a && says(e, a, 'Something on the way redirects the connection elsewhere; WebSockets do not follow redirects.', 'Open any http:// page in this browser: a network that wants a sign-in shows it there. Else correct the address (http or https, trailing slash, host) that the proxy redirects.', 'route')
    },
  },
  {
    code: 'bad_gateway', when: 'a proxy answers 502, 503 or 504',
    judge: (e) => {
      const a = route(e, (x) => x.status === 502 || x.status === 503 || x.status === 504)
      return a && says(e, a, `A proxy is reached, but behind it Partyline does not answer (${String(a.status)}).`, 'Start Partyline, or correct the address and port that the proxy sends on to.', 'route')
    },
  },
  {
    code: 'gate_refused', when: 'something in front answers 401, 403 or 407',
    judge: (e) => {
      const a = route(e, (x) => x.status === 401 || x.status === 403 || x.status === 407)
      return a && says(e, a, `Something in front of the server refuses the request (${String(a.status)}).`, 'A proxy, a web application firewall or an access gateway wants a sign-in or blocks the path. It was not Partyline.', 'route')
    },
  },
  {
    code: 'spa_fallback', when: 'the address answers a page, and the API is ours',
    judge: (e) => {
      const a = route(e, (x) => x.status === 200 && x.kind === 'html' && ours(e.status))
      return a && says(e, a, 'The address of the WebSocket answers with a page: the web server has no route for it.', 'Send /ws/ on to Partyline before the rule that answers every other path with the page.', 'route')
    },
  },
  {
    code: 'wrong_path', when: 'the address answers 404, and the API is ours',
    judge: (e) => {
      const a = route(e, (x) => x.status === 404 && ours(e.status))
      return a && says(e, a, 'The web server has no route for the address of the WebSocket (404).', 'Send /ws/ on to Partyline. The chat is at /ws/chat/.', 'route')
    },
  },
  {
    code: 'wrong_server', when: 'another program answers',
    judge: (e) => {
      const a = route(e, () => true)
      return a && says(e, a, 'Another program answers at this address; it is not Partyline.', 'Correct host and port. If a network wants a sign-in, or a proxy shows its own page, that answers instead.', 'route')
    },
  },
]

/** Our own refusals of the plain request, which an upgrade would meet too. */
const ownRows: readonly Row[] = [
  {
    code: 'request_refused', when: 'our server refuses even the plain request, and has no record',
    judge: (e) => {
      const attempt = notArrived(e)
      if (!attempt || !ours(e.route)) return undefined
      const byCode = { bad_host: badHost(e.target.ws), rate_limited: rate, overloaded: full, draining, not_found: wrongPath }
      const word = byCode[e.route.code as keyof typeof byCode] as typeof rate | undefined
      if (!word) return undefined
      return { ...word, severity: 'critical', confidence: e.route.code === 'bad_host' || e.route.code === 'not_found' ? 'proved' : 'likely', evidence: [`${routeWords(e.route)} ${e.route.detail ?? ''}`.trim(), browserSaw(attempt)] }
    },
  },
  {
    code: 'api_blocked', when: 'the page’s policy forbids the probes: no cause can be told',
    judge: (e) => {
      const attempt = notArrived(e)
      const blocked = e.route.state === 'failed' && e.route.why === 'blocked' && e.status.state === 'failed' && e.status.why === 'blocked'
      return attempt && blocked
        ? {
            severity: 'critical', confidence: 'unknown', title: 'The connection fails, and the page’s own policy forbids the requests that would tell why.',
            evidence: [browserSaw(attempt), 'Requests to the server were blocked by the Content-Security-Policy of this page.'],
            advice: { text: 'Open the standalone page from the server itself, or use the terminal.', command: doctor(e) },
          }
        : undefined
    },
  },
  {
    code: 'upgrade_held', when: 'ours over HTTP, no record, the WebSocket hangs',
    judge: (e) => {
      if (!hung(e.attempt) || seen(e.record) || !ours(e.route)) return undefined
      return {
        severity: 'critical', confidence: e.record.state === 'none' ? 'likely' : 'unknown',
        title: 'Ordinary requests pass, but something on the way holds back the upgrade to WebSocket.',
        evidence: [routeWords(e.route), browserSaw(e.attempt), recordWords(e)],
        advice: { text: 'A proxy, virus scanner or firewall keeps the upgrade. Try wss:// on port 443; ask who runs the network to let WebSocket pass.', fix: 'upgrade', command: doctor(e) },
      }
    },
  },
  {
    code: 'upgrade_blocked', when: 'ours over HTTP, no record, the WebSocket fails at once',
    judge: (e) => {
      if (!refusedFast(e.attempt) || seen(e.record) || !ours(e.route)) return undefined
      return {
        severity: 'critical', confidence: e.record.state === 'none' ? 'likely' : 'unknown',
        title: 'Ordinary requests pass, but the upgrade to WebSocket is blocked before it reaches the server.',
        evidence: [routeWords(e.route), browserSaw(e.attempt), recordWords(e), ...(e.attempt.endMs < 5 ? ['It failed in under 5 ms: often an extension or a filter on this machine.'] : [])],
        advice: { text: 'Something in the browser (an extension), on this machine (a virus scanner) or on the way (a firewall, a proxy) refuses or resets WebSockets. Try a private window, then another network, then wss:// on port 443.', fix: 'upgrade', command: doctor(e) },
      }
    },
  },
]

/** Nothing could be read from the address. */
const silentRows: readonly Row[] = [
  {
    code: 'ws_port_unreachable', when: 'the API is ours, the port of the WebSocket does not answer',
    judge: (e) => {
      const attempt = notArrived(e)
      if (!attempt || !failed(e.route) || !ours(e.status) || sameHost(e.target.http, e.target.route)) return undefined
      return {
        severity: 'critical', confidence: 'likely', title: `The server is reached, but not its WebSocket port (${portOf(e.target.route)}).`,
        evidence: [`${e.target.http} answered; ${e.target.route} ${timedOut(e.route) ? 'did not answer in time' : 'failed'}.`, browserSaw(attempt)],
        advice: { text: 'Open that port in the firewall, start the listener (ws.addr), or let the page use the web port: leave ws.public-url empty.', fix: 'route', command: doctor(e) },
      }
    },
  },
  {
    code: 'wrong_server', when: 'no CORS answer, the no-cors request works, our image does not load',
    judge: (e) => {
      const attempt = notArrived(e)
      if (!attempt || !failed(e.route) || !failed(e.status) || e.opaque !== 'yes' || e.image !== 'no') return undefined
      return {
        severity: 'critical', confidence: 'likely', title: 'Something answers at this address, but it is not Partyline.',
        evidence: ['A request without CORS was answered, and the image that only Partyline has did not load.', browserSaw(attempt)],
        advice: { text: 'Another program has the port, a proxy shows its own error page, or the network wants a sign-in. Open the address in a tab: the page that appears says which.', fix: 'route', command: doctor(e) },
      }
    },
  },
  {
    code: 'private_network', when: 'a public page, a private address, fails at once',
    judge: (e) => {
      if (!refusedFast(e.attempt) || seen(e.record) || answered(e.route) || answered(e.status) || e.opaque === 'yes') return undefined
      const page = hostOf(e.browser.origin), target = hostOf(e.target.route)
      if (page === '' || isPrivateHost(page) || !isPrivateHost(target)) return undefined
      return {
        severity: 'critical', confidence: 'unknown', title: 'A page from the internet may not reach an address in the private network, or nothing answers there.',
        evidence: [`The page comes from ${page}, the address is ${target}.`, browserSaw(e.attempt)],
        advice: { text: 'Current browsers ask for a permission before such a connection; look for it beside the address bar. Else the server does not run.', command: doctor(e) },
      }
    },
  },
  {
    code: 'no_answer', when: 'every way runs into its time limit',
    judge: (e) => {
      const attempt = notArrived(e)
      if (!attempt || !hung(e.attempt) || !timedOut(e.route) || !timedOut(e.status) || e.opaque === 'yes') return undefined
      return {
        severity: 'critical', confidence: 'likely', title: 'Nothing is refused and nothing is answered: packets are dropped on the way, or the server hangs.',
        evidence: ['Neither requests nor the WebSocket were answered in time.', browserSaw(attempt)],
        advice: { text: 'A firewall that drops without a word, a wrong address, or a server that accepts and does not answer. The terminal tells these apart.', command: doctor(e) },
      }
    },
  },
  {
    code: 'server_unreachable', when: 'nothing is reached, and the browser does not say why',
    judge: (e) => {
      const attempt = notArrived(e)
      if (!attempt || !failed(e.route) || !failed(e.status) || e.opaque !== 'no') return undefined
      return {
        severity: 'critical', confidence: 'unknown', title: `Nothing answers at ${hostOf(e.target.route)}:${portOf(e.target.route)}. A page cannot see why.`,
        evidence: ['Requests with and without CORS failed.', browserSaw(attempt), 'To a page these look the same: a name that does not resolve, a refused port, a server that is stopped, a certificate that is not trusted, has expired or names another host.'],
        advice: { text: `Is the server running? Open ${e.target.http} in a tab: the browser’s error page says which it is. Or use the terminal.`, command: doctor(e) },
      }
    },
  },
  {
    code: 'route_unreachable', when: 'the API is ours, only the path of the WebSocket gives nothing',
    judge: (e) => {
      const attempt = notArrived(e)
      if (!attempt || !failed(e.route) || !ours(e.status)) return undefined
      return {
        severity: 'critical', confidence: 'likely', title: 'The server is reached, but not under the path of the WebSocket.',
        evidence: [`A plain request to ${e.target.route} ${timedOut(e.route) ? 'was not answered in time' : 'failed'}; ${e.target.http} answers.`, browserSaw(attempt), recordWords(e)],
        advice: { text: 'A rule for /ws/ sends it elsewhere (an answer without CORS headers cannot be read from this page), or a filter blocks the path.', fix: 'route', command: doctor(e) },
      }
    },
  },
  {
    code: 'cause_unknown', when: 'it did not open, and no row fits',
    judge: (e) => {
      const attempt = lost(e)
      if (!attempt) return undefined
      return {
        severity: 'critical', confidence: 'unknown', title: 'The connection fails, and what was seen does not tell why.',
        evidence: [browserSaw(attempt), recordWords(e)],
        advice: { text: 'Use the terminal, which sees more than a page may.', command: doctor(e) },
      }
    },
  },
]

/** Why a connection did not open. The first row that fits decides. */
export const pathRows: readonly Row[] = [...recordedRows, ...foreignRows, ...ownRows, ...silentRows]

function hostOf(address: string): string {
  try {
    return new URL(address).hostname
  } catch {
    return ''
  }
}

function portOf(address: string): string {
  try {
    const url = new URL(address)
    return url.port !== '' ? url.port : url.protocol === 'https:' ? '443' : '80'
  } catch {
    return ''
  }
}
