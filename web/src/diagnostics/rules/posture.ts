import type { Evidence } from '../evidence'
import { answered, isLoopbackHost } from '../facts'
import type { Severity } from '../finding'
import type { Row } from './rule'
import { finding } from './rule'
import type { Finding } from '../finding'

/** How safe the connection is; the verdict does not use these. */
export const postureRows: readonly Row[] = [
  {
    code: 'insecure_transport', when: 'ws: to another machine',
    judge: (e) => e.target.ws.startsWith('ws:') && !isLoopbackHost(hostOf(e.target.ws))
      ? {
          severity: 'warning', confidence: 'proved', title: 'The connection is not encrypted.',
          evidence: [`The address begins with ws://.`],
          advice: { text: 'Everybody on the way can read and change messages, and boxes that look inside break WebSockets. Use wss://.', fix: 'tls' },
        }
      : undefined,
  },
  {
    code: 'insecure_page', when: 'the page is no secure context',
    judge: (e) => !e.browser.secureContext
      ? {
          severity: 'warning', confidence: 'proved', title: 'The page itself came over an insecure way.',
          evidence: ['isSecureContext is false.'],
          advice: { text: 'Serve the page over https. Browsers give insecure pages fewer abilities.', fix: 'tls' },
        }
      : undefined,
  },
  {
    code: 'null_origin_allowed', when: 'the server accepts Origin: null on the chat',
    judge: (e) => e.dryRun !== 'unknown' && e.dryRun.decision === 'accept' && e.target.origin === 'null'
      ? {
          severity: 'warning', confidence: 'proved', title: 'The server accepts pages without an origin.',
          evidence: ['The dry run with the origin null is accepted.'],
          advice: { text: 'Any local file and any sandboxed frame may open the chat. Take null out of origins.' },
        }
      : undefined,
  },
  {
    code: 'service_worker', when: 'a service worker stands between page and network',
    judge: (e) => e.browser.serviceWorker || answered(e.status) && e.status.phases?.worker === true
      ? {
          severity: 'info', confidence: 'proved', title: 'A service worker of this site handles the page’s requests.',
          evidence: ['The page is controlled by a service worker.'],
          advice: { text: 'Partyline installs none: it came with another application on this address, and may answer in the server’s place.' },
        }
      : undefined,
  },
  {
    code: 'intercepted', when: 'a Via header in an answer',
    judge: (e) => {
      const via = [e.status, e.route, e.probe].map((p) => answered(p) ? p.via : '').find((v) => v !== '')
      return via === undefined
        ? undefined
        : {
            severity: 'info', confidence: 'proved', title: 'A proxy handles the requests.',
            evidence: [`Via: ${via}`], advice: { text: 'Over https that means that someone with a certificate trusted by this device reads along, or that the server has a proxy in front.' },
          }
    },
  },
  {
    code: 'heartbeat_too_long', when: 'the heartbeat is longer than a cut of quiet connections',
    judge: (e) => {
      const ladder = e.long.ladder
      const cut = ladder?.rungs.filter((r) => r.outcome === 'cut').map((r) => r.cutAfterS ?? Infinity) ?? []
      return ladder && cut.length > 0 && ladder.heartbeatS >= Math.min(...cut)
        ? {
            severity: 'warning', confidence: 'proved', title: 'The server’s heartbeat is longer than the time after which quiet connections are cut.',
            evidence: [`Heartbeat ${String(ladder.heartbeatS)} s, cut after ${String(Math.min(...cut))} s.`],
            advice: { text: `Set gateway.heartbeat below ${String(Math.floor(Math.min(...cut)))}s.`, fix: 'timeout' },
          }
        : undefined
    },
  },
]

const serverRow: Row = { code: 'server_posture', when: 'the server says so about itself', judge: () => undefined }

/** The server's own list, as findings. */
export function serverPosture(e: Evidence): Finding[] {
  if (e.security === 'unknown') return []
  return e.security.map((item) => finding(serverRow, {
    severity: severity(item.severity), confidence: 'proved', title: item.title,
    evidence: [`The server says so about its own configuration (${item.code}).`], advice: { text: item.advice },
  }))
}

function severity(text: string): Severity {
  return text === 'critical' || text === 'warning' ? text : 'info'
}

function hostOf(address: string): string {
  try {
    return new URL(address).hostname
  } catch {
    return ''
  }
}
