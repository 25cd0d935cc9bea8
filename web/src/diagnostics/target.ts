import type { Target } from './evidence'

/** What a person types in. */
export interface TargetForm {
  scheme: 'ws' | 'wss'
  host: string
  wsPort: string
  httpPort: string
  chatPath: string
  echoPath: string
  /** Origin to be asked about; empty: the page's own. */
  origin: string
}

export type Checked = { ok: true; target: Target } | { ok: false; field: keyof TargetForm; problem: string }

const hostPattern = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\.?|\[[0-9a-f:.]+\])$/i
const pathPattern = /^\/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$/

const wrong = (field: keyof TargetForm, problem: string): Checked => ({ ok: false, field, problem })

/** Checks a form and makes the addresses of it. What comes out is safe to use. */
export function checkForm(form: TargetForm, pageOrigin: string): Checked {
  const host = form.host.trim()
  if (host.length === 0 || host.length > 253 || !hostPattern.test(host)) return wrong('host', 'This is no host name or address. IPv6 addresses stand in brackets.')
  for (const field of ['wsPort', 'httpPort'] as const) {
    const port = form[field].trim()
    if (port !== '' && (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535)) return wrong(field, 'A port is a number from 1 to 65535.')
  }
  for (const field of ['chatPath', 'echoPath'] as const) {
    if (form[field].length > 512 || !pathPattern.test(form[field])) return wrong(field, 'A path begins with / and has no spaces, ? or #.')
  }
  const origin = form.origin.trim() === '' ? pageOrigin : form.origin.trim()
  if (origin !== 'null' && !isOrigin(origin)) return wrong('origin', 'An origin is like https://chat.example.org.')
  const web = form.scheme === 'wss' ? 'https' : 'http'
  const at = (scheme: string, port: string, path: string): string => new URL(`${scheme}://${host}${port.trim() === '' ? '' : `:${port.trim()}`}${path}`).href
  try {
    return {
      ok: true,
      target: {
        ws: at(form.scheme, form.wsPort, form.chatPath), echo: at(form.scheme, form.wsPort, form.echoPath),
        http: at(web, form.httpPort, '/'), route: at(web, form.wsPort, form.chatPath), origin,
      },
    }
  } catch {
    return wrong('host', 'The browser does not accept this address.')
  }
}

function isOrigin(text: string): boolean {
  try {
    const url = new URL(text)
    return text.length <= 300 && (url.protocol === 'http:' || url.protocol === 'https:') && url.origin.toLowerCase() === text.toLowerCase().replace(/:(80|443)$/, '')
  } catch {
    return false
  }
}

/** The target of a page that already knows the address of its chat. */
export function targetOf(ws: string, http: string, origin: string): Target {
  const chat = new URL(ws)
  chat.search = chat.hash = ''
  const echo = new URL(chat)
  echo.pathname = chat.pathname.replace(/\/chat\/?$/, '/echo/')
  const route = new URL(chat.href.replace(/^ws/, 'http'))
  return { ws: chat.href, echo: echo.href, http: new URL('/', http).href, route: route.href, origin }
}
