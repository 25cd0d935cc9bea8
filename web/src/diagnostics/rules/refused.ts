import type { FindingCode } from '../codes'
import type { Evidence, ServerStage } from '../evidence'
import { ms, refusal, seen } from '../facts'
import type { Advice } from '../finding'
import type { Row, Says } from './rule'

interface Word { code: FindingCode; title: string; advice: Advice }

/** Names the refusal that the server recorded for this very attempt. */
export const refusedRow: Row = {
  code: 'request_refused',
  when: 'the server recorded a refusal of this attempt',
  judge: (e) => {
    const stage = refusal(e.record)
    if (!stage || !seen(e.record)) return undefined
    const word = words(e, stage, e.record.httpVersion)
    return {
      ...word, severity: 'critical', confidence: 'proved',
      evidence: [refusalEvidence(stage)],
    } satisfies Says
  },
}

export function refusalEvidence(stage: ServerStage): string {
  const status = stage.status === undefined ? '' : ` with status ${String(stage.status)}`
  const detail = stage.errorDetail ? `: ${stage.errorDetail}` : ''
  return `The server recorded this attempt ${ms(stage.sinceAcceptMs)} after the connection was accepted and refused it${status} (${stage.errorType ?? 'no code'})${detail}`
}

function words(e: Evidence, stage: ServerStage, version: string): Word {
  switch (stage.errorType) {
    case 'upgrade_required':
      return version === '1.0' ? http10 : stripped
    case 'origin_refused':
      return originRefused(e.target.origin)
    case 'unauthenticated':
      return tokenRefused(stage.errorDetail ?? '')
    case 'bad_host':
      return badHost(e.target.ws)
    case 'rate_limited':
      return rate
    case 'overloaded':
      return full
    case 'draining':
      return draining
    case 'not_found':
      return wrongPath
    default:
      return {
        code: 'request_refused', title: `The server refused the connection (${stage.errorType ?? 'no code'}).`,
        advice: { text: stage.errorDetail !== undefined && stage.errorDetail !== '' ? stage.errorDetail : 'The server’s log has the attempt under its trace id.' },
      }
  }
}

export const stripped: Word = {
  code: 'upgrade_stripped', title: 'A proxy on the way removes the Upgrade header.',
  advice: { text: 'Tell the proxy in front of Partyline to pass the upgrade on: it has to forward the headers Upgrade and Connection.', fix: 'upgrade' },
}
export const http10: Word = {
  code: 'http10_proxy', title: 'A proxy on the way speaks HTTP/1.0 to the server, and WebSocket needs HTTP/1.1.',
  advice: { text: 'Tell the proxy to use HTTP/1.1 towards Partyline (nginx: proxy_http_version 1.1) and to forward Upgrade and Connection.', fix: 'upgrade' },
}
export const rate: Word = {
  code: 'rate_limited', title: 'The server refuses this address because it connects too often.',
  advice: { text: 'Wait a minute and try again. If many people share this address, raise gateway.connects-per-second-per-ip, or list the proxy in trusted-proxies so that people are counted by their own addresses.' },
}
export const full: Word = {
  code: 'server_full', title: 'The server is full.',
  advice: { text: 'Raise gateway.max-connections (and the limit of open files), or add a gateway.' },
}
export const draining: Word = {
  code: 'server_draining', title: 'The server is being shut down or updated.',
  advice: { text: 'Wait until it has been restarted; if it stays so, take this gateway out of the balancer.' },
}
export const wrongPath: Word = {
  code: 'wrong_path', title: 'The server does not know this path.',
  advice: { text: 'The chat is at /ws/chat/. Compare ws.public-url and the path that a proxy sends on.', fix: 'route' },
}

export function badHost(address: string): Word {
  return {
    code: 'host_refused', title: 'The server does not accept the host name by which it was called.',
    advice: { text: `Add it to the configuration: http.public-hosts: ["${hostOf(address)}"]. Behind a proxy, forward the original Host header.`, fix: 'host' },
  }
}

export function originRefused(origin: string): Word {
  if (origin === 'null') {
    return {
      code: 'origin_null_refused', title: 'The server refuses pages without an origin (Origin: null).',
      advice: { text: 'A page opened from a file, or inside a sandboxed frame, sends the origin null. Serve it over HTTP; allow null in origins only if every local file may use the chat.' },
    }
  }
  return {
    code: 'origin_refused', title: 'The server does not allow pages of this origin.',
    advice: { text: `Add the origin to the configuration: origins: ["${origin}"].` },
  }
}

export function tokenRefused(detail: string): Word {
  const text = detail.toLowerCase()
  if (/no token|missing|without a token|token is needed|needs a token/.test(text)) {
    return { code: 'token_missing', title: 'The server wants a token, and none was sent.', advice: { text: 'Sign in first, or hand a token to the client.' } }
  }
  if (text.includes('expired')) {
    return {
      code: 'token_expired', title: 'The token has expired.',
      advice: { text: 'Get a new token. If it is new, compare the clocks of the program that makes tokens and of this server (auth.jwt.leeway allows a difference).' },
    }
  }
  if (text.includes('audience')) {
    return {
      code: 'token_audience', title: 'The token was made for another audience.',
      advice: { text: 'The claim aud of the token and auth.jwt.audience of the server must be the same.' },
    }
  }
  return { code: 'token_refused', title: 'The server does not accept the token.', advice: { text: 'Compare the key, issuer and audience of the token with auth.jwt.* of the server.' } }
}

function hostOf(address: string): string {
  try {
    return new URL(address).host
  } catch {
    return ''
  }
}
