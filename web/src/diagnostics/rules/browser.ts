import { blockedByPolicy, done, opened, seen, works } from '../facts'
import type { Row } from './rule'

/** Causes inside the browser. They decide before anything on the way does. */
export const browserRows: readonly Row[] = [
  {
    code: 'websocket_missing', when: 'the browser has no WebSocket',
    judge: (e) => e.browser.websocket === 'missing'
      ? {
          severity: 'critical', confidence: 'proved', title: 'This browser has no WebSocket.',
          evidence: ['window.WebSocket is not there.'],
          advice: { text: 'An extension, a policy of the organisation or a very old browser took it away. Try a private window, or another browser.' },
        }
      : undefined,
  },
  {
    code: 'csp_blocked', when: 'the page’s own policy was enforced against this address',
    judge: (e) => {
      const directive = blockedByPolicy(e, e.target.ws)
      if (directive === undefined || opened(e.attempt)) return undefined
      return {
        severity: 'critical', confidence: 'proved', title: 'The page’s Content-Security-Policy forbids this connection.',
        evidence: [`The browser reported a violation of ${directive} for ${e.target.ws}.`],
        advice: { text: `Add the address to the policy of the page: connect-src 'self' ${originOf(e.target.ws)}. 'self' does not cover another port, nor ws: in every browser.`, fix: 'csp' },
      }
    },
  },
  {
    code: 'mixed_content', when: 'the constructor refused ws: on an https: page',
    judge: (e) => e.attempt.state === 'threw' && e.attempt.name === 'SecurityError' && e.browser.protocol === 'https:' && e.target.ws.startsWith('ws:')
      ? {
          severity: 'critical', confidence: 'proved', title: 'The page came over https, and so the browser refuses an unencrypted WebSocket.',
          evidence: [`new WebSocket("${e.target.ws}") threw SecurityError.`],
          advice: { text: 'Use wss://: set ws.public-url to a wss:// address, with the certificate in Partyline (http.tls.cert) or in the proxy in front of it.', fix: 'tls' },
        }
      : undefined,
  },
  {
    code: 'bad_url', when: 'the constructor refused the address',
    judge: (e) => e.attempt.state === 'threw'
      ? {
          severity: 'critical', confidence: 'proved', title: 'The browser does not accept this address for a WebSocket.',
          evidence: [`new WebSocket("${e.target.ws}") threw ${e.attempt.name}: ${e.attempt.message}`],
          advice: { text: 'Correct ws.public-url: ws:// or wss://, a host, a path, no fragment.' },
        }
      : undefined,
  },
  {
    code: 'offline', when: 'the browser says that it has no network, and nothing was reached',
    judge: (e) => !e.browser.online && done(e.attempt) && !e.attempt.opened && !seen(e.record)
      && e.status.state !== 'answered' && e.route.state !== 'answered' && e.opaque !== 'yes'
      ? {
          severity: 'critical', confidence: 'likely', title: 'This device is offline.',
          evidence: ['navigator.onLine is false, and no request was answered.'],
          advice: { text: 'Check the network of the device. The chat reconnects by itself when it comes back.' },
        }
      : undefined,
  },
]

/** What is worth knowing about the browser though it breaks nothing. */
export const browserNotes: readonly Row[] = [
  {
    code: 'websocket_wrapped', when: 'something replaced the native WebSocket',
    judge: (e) => e.browser.websocket === 'wrapped'
      ? {
          severity: works(e.attempt) ? 'info' : 'warning', confidence: 'proved',
          title: 'Something in this browser has replaced the WebSocket of the platform.',
          evidence: ['window.WebSocket is not native code.'],
          advice: { text: 'Extensions and monitoring scripts do that. If the connection fails, try a private window without them.' },
        }
      : undefined,
  },
  {
    code: 'page_hidden', when: 'the tab was in the background',
    judge: (e) => e.browser.visible
      ? undefined
      : {
          severity: 'info', confidence: 'proved', title: 'The page was in the background during the test.',
          evidence: ['document.visibilityState was hidden.'],
          advice: { text: 'Browsers slow hidden pages down: run the test again with the page in front before you trust its times.' },
        },
  },
]

export function originOf(address: string): string {
  try {
    const url = new URL(address)
    return `${url.protocol}//${url.host}`
  } catch {
    return address
  }
}
