import { haproxy, nginx } from './programs'
import { answer, type End, type Fault } from './proxy'

export interface Case {
  name: string
  /** What stands between; null: nothing. */
  fault: Fault | null
  /** The finest class that a page can tell apart, fixed before the run. */
  page: string
  /** The exact name that the terminal must give. */
  doctor: string
  /** Where the page comes from: through the fault (default), or from the server. */
  from?: 'proxy' | 'server' | 'localhost'
  /** Which ways go through the fault; default both. */
  through?: 'both' | 'ws' | 'http'
  /** Nothing listens at the address. */
  closed?: boolean
  /** What the terminal sends as Origin. */
  origin?: string
  /** Flags of a server of its own, and what has been done to it before. */
  server?: { flags: string[]; busy?: 'held' | 'hammered' | 'draining' }
  /** The certificate of the way through the proxy. */
  tls?: 'good' | 'expired' | 'untrusted' | 'wrong_name'
  /** The page is opened from disk, and asks about the origin above. */
  file?: boolean
  /** The page comes over https from a healthy server. */
  securePage?: boolean
  /** A real proxy stands there instead of ours; UPSTREAM is the address of the server. */
  program?: 'nginx' | 'haproxy'
  /** Its configuration, where PORT is to be listened to. */
  config?: string
  /** Names the host otherwise than by its address; the terminal does so too unless told. */
  host?: string
  doctorHost?: string
  /** Connections to the address are never accepted. */
  blackhole?: boolean
  /** Path of the WebSocket. */
  path?: string
  /** Length of the quiet test in the terminal. */
  idle?: string
}

const toWebSocket = (head: string) => / \/ws\//.test(head.split('\r\n', 1)[0] ?? '')
const isUpgrade = (head: string) => /^upgrade:/im.test(head)
const without = (head: string, ...names: string[]) => names.reduce((text, name) => text.replace(new RegExp(`^${name}:.*\\r\\n`, 'gim'), ''), head)
const onRoute = (instead: ReturnType<NonNullable<Fault['request']>>): Fault => ({ request: (head) => toWebSocket(head) ? instead : head })
const reset: End = { end: 'reset' }, hang: End = { end: 'hang' }
const onUpgrade = (instead: End): Fault => ({ request: (head) => isUpgrade(head) ? instead : head })
const is101 = (head: string) => / 101 /.test(head.split('\r\n', 1)[0] ?? '')

// The same length: the head has said it already.
const yesterday = (text: string) => text.replace(/("time":\s*")([^"]+)"/, (whole, name: string, time: string) =>
  `${name}${new Date(Date.parse(time) - 86_400_000).toISOString().slice(0, 19)}Z"`.padEnd(whole.length))

/** One fault each; the first ones are healthy and must give nothing. */
export const cases: Case[] = [
  { name: 'healthy, direct', fault: null, page: 'healthy', doctor: 'healthy' },
  { name: 'healthy, through a plain proxy', fault: {}, page: 'healthy', doctor: 'healthy' },
  { name: 'server stopped', fault: null, closed: true, from: 'server', page: 'server_unreachable', doctor: 'port_refused' },
  { name: 'only the WebSocket port closed', fault: null, closed: true, from: 'server', through: 'ws', page: 'ws_port_unreachable', doctor: 'port_refused' },
  { name: 'another HTTP server on the port', fault: { request: () => answer('200 OK', 'text/html', '<!doctype html>hello') }, from: 'server', page: 'wrong_server', doctor: 'wrong_server' },
  { name: 'single-page fallback answers 200', fault: onRoute(answer('200 OK', 'text/html', '<!doctype html>app')), page: 'spa_fallback', doctor: 'spa_fallback' },
  { name: 'no route for /ws/ (404)', fault: onRoute(answer('404 Not Found', 'text/html', 'nothing')), page: 'wrong_path', doctor: 'wrong_path' },
  { name: '502 of a proxy', fault: onRoute(answer('502 Bad Gateway', 'text/html', '502')), page: 'bad_gateway', doctor: 'bad_gateway' },
  { name: 'captive portal redirect', fault: onRoute(answer('302 Found', 'text/html', '', 'Location: http://portal.test/\r\n')), page: 'redirected', doctor: 'redirected' },
  { name: 'access gateway answers 403', fault: onRoute(answer('403 Forbidden', 'text/html', 'no')), page: 'gate_refused', doctor: 'gate_refused' },
  { name: 'proxy without upgrade headers', fault: { request: (h) => isUpgrade(h) ? without(h, 'upgrade', 'connection') : h }, page: 'upgrade_stripped', doctor: 'upgrade_stripped' },
  { name: 'proxy speaking HTTP/1.0', fault: { request: (h) => isUpgrade(h) ? h.replace('HTTP/1.1', 'HTTP/1.0') : h }, page: 'http10_proxy', doctor: 'http10_proxy' },
  { name: 'subprotocol header removed', fault: { response: (h) => is101(h) ? without(h, 'sec-websocket-protocol') : h }, page: 'subprotocol_stripped', doctor: 'subprotocol_stripped' },
  { name: '101 with a wrong accept key', fault: { response: (h) => is101(h) ? h.replace(/^(sec-websocket-accept: ).*$/im, '$1AAAAAAAAAAAAAAAAAAAAAAAAAAA=') : h }, page: 'handshake_swallowed', doctor: 'bad_accept_key' },
  { name: '101 swallowed', fault: { response: (h) => is101(h) ? reset : h }, page: 'handshake_swallowed', doctor: 'handshake_swallowed' },
  { name: 'reset during the handshake', fault: onUpgrade(reset), page: 'upgrade_blocked', doctor: 'upgrade_blocked' },
  { name: 'upgrade held', fault: onUpgrade(hang), page: 'upgrade_held', doctor: 'upgrade_held' },
  { name: 'accepted TCP that never answers', fault: { request: () => hang }, from: 'server', page: 'no_answer', doctor: 'no_answer' },
  { name: 'frames held back after 101', fault: { fromServer: () => 'drop' }, page: 'silent_after_open', doctor: 'silent_after_open' },
  { name: 'cut right after opening', fault: { fromClient: () => 'reset' }, page: 'connection_cut', doctor: 'connection_cut' },
  { name: 'frames over 64 KiB dropped', fault: { fromClient: (d) => ((d[1] ?? 0) & 0x7f) === 127 && ((d[0] ?? 0) & 0x70) <= 0x40 && d.length > 8 ? 'reset' : 'pass' }, page: 'large_frames_lost', doctor: 'large_frames_lost' },
  { name: '300 ms', fault: { delay: 150 }, page: 'slow_network', doctor: 'slow_network' },
  { name: 'API without CORS headers', fault: { response: (h) => without(h, 'access-control-allow-origin') }, from: 'server', through: 'http', page: 'cors_stripped', doctor: 'cors_stripped' },
  { name: 'CSP without the address', fault: { response: (h) => h.replace(/connect-src [^;]*;/i, 'connect-src \'self\';') }, page: 'csp_blocked', doctor: 'healthy', through: 'http' },
  { name: 'origin refused', fault: null, from: 'localhost', page: 'origin_refused', doctor: 'origin_refused', origin: 'https://elsewhere.test' },
  { name: 'wrong host name', fault: { request: (h) => isUpgrade(h) ? h.replace(/^host: .*$/im, 'Host: other.test') : h }, page: 'host_refused', doctor: 'host_refused' },
  { name: 'healthy, over TLS', fault: {}, tls: 'good', securePage: true, page: 'healthy', doctor: 'healthy' },
  { name: 'healthy, through nginx', fault: {}, program: 'nginx', config: nginx.good, page: 'healthy', doctor: 'healthy' },
  { name: 'healthy, through HAProxy', fault: {}, program: 'haproxy', config: haproxy.good, page: 'healthy', doctor: 'healthy' },
  { name: 'nginx as it comes', fault: {}, program: 'nginx', config: nginx.plain, page: 'http10_proxy', doctor: 'http10_proxy' },
  { name: 'nginx with HTTP/1.1 alone', fault: {}, program: 'nginx', config: nginx.noUpgrade, page: 'upgrade_stripped', doctor: 'upgrade_stripped' },
  { name: 'nginx cuts quiet connections after 5 s', fault: {}, program: 'nginx', config: nginx.cutting, page: 'healthy', doctor: 'idle_cut', idle: '9s' },
  { name: 'HAProxy cuts quiet connections after 5 s', fault: {}, program: 'haproxy', config: haproxy.cutting, page: 'healthy', doctor: 'idle_cut', idle: '9s' },
  { name: 'nginx whose upstream is down', fault: {}, program: 'nginx', config: nginx.down, page: 'bad_gateway', doctor: 'bad_gateway' },
  { name: 'HAProxy whose upstream is down', fault: {}, program: 'haproxy', config: haproxy.down, page: 'bad_gateway', doctor: 'bad_gateway' },
  { name: 'certificate not trusted', fault: {}, tls: 'untrusted', from: 'server', page: 'server_unreachable', doctor: 'tls_untrusted' },
  { name: 'certificate expired', fault: {}, tls: 'expired', from: 'server', page: 'server_unreachable', doctor: 'tls_expired' },
  { name: 'certificate for another name', fault: {}, tls: 'wrong_name', from: 'server', page: 'server_unreachable', doctor: 'tls_wrong_name' },
  { name: 'ws: from an https page', fault: {}, securePage: true, from: 'server', host: 'lab.test', doctorHost: '127.0.0.1', page: 'mixed_content', doctor: 'healthy' },
  { name: 'name that does not resolve', fault: {}, from: 'server', host: 'nowhere.invalid', page: 'server_unreachable', doctor: 'dns_failed' },
  { name: 'wrong path on the server', fault: {}, path: '/ws/nothing/', page: 'wrong_path', doctor: 'wrong_path' },
  { name: 'origin null refused', fault: null, file: true, origin: 'null', page: 'origin_null_refused', doctor: 'origin_null_refused' },
  { name: 'address over its rate', fault: {}, from: 'server', server: { flags: ['--gateway-connects-per-second-per-ip', '1'], busy: 'hammered' }, page: 'rate_limited', doctor: 'rate_limited' },
  { name: 'server full', fault: {}, from: 'server', server: { flags: ['--gateway-max-connections', '1'], busy: 'held' }, page: 'server_full', doctor: 'server_full' },
  { name: 'server draining', fault: {}, from: 'server', server: { flags: ['--gateway-drain', '300s'], busy: 'draining' }, page: 'server_draining', doctor: 'server_draining' },
  { name: 'closed with 1011 right after opening', fault: { fromServer: () => ({ last: Buffer.from([0x88, 2, 1011 >> 8, 1011 & 255]) }) }, page: 'server_error', doctor: 'server_error' },
  { name: 'closed with 4008, slow consumer', fault: { fromServer: () => ({ last: Buffer.from([0x88, 2, 4008 >> 8, 4008 & 255]) }) }, page: 'slow_consumer', doctor: 'slow_consumer' },
  { name: 'half-open: what the client sends vanishes', fault: { fromClient: () => 'drop' }, page: 'silent_after_open', doctor: 'silent_after_open' },
  { name: 'message too big for the server', fault: { fromClient: (d) => ((d[1] ?? 0) & 0x7f) >= 126 && d.length > 4 && d.readUInt16BE(2) >= 9_000 ? { last: Buffer.from([0x88, 2, 1009 >> 8, 1009 & 255]) } : 'pass' }, page: 'message_too_big', doctor: 'message_too_big' },
  { name: 'packets dropped before the handshake', fault: {}, blackhole: true, from: 'server', page: 'no_answer', doctor: 'tcp_timeout' },
  { name: 'clock off by a day', fault: { body: (t) => yesterday(t) }, page: 'clock_skew', doctor: 'clock_skew' },
]

/** Those that every test run repeats. */
export const everyday = new Set([
  'healthy, direct', 'healthy, through a plain proxy', 'server stopped', 'another HTTP server on the port', 'single-page fallback answers 200',
  '502 of a proxy', 'proxy without upgrade headers', 'proxy speaking HTTP/1.0', '101 with a wrong accept key', 'reset during the handshake',
  'API without CORS headers', 'CSP without the address', 'origin refused',
])
