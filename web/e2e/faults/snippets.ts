import { fixes, type FixName, type Program } from '../../src/diagnostics/fixes'

/**
 * A fault of a real proxy that a printed snippet has to end. What the terminal
 * must name before is fixed here; after it, it must say "healthy".
 */
export interface Snippet {
  program: Extract<Program, 'nginx' | 'HAProxy' | 'Caddy'>
  /** Its name in src/diagnostics/fixes.ts. */
  fix: FixName
  before: string
}

export const snippets: Snippet[] = [
  { program: 'nginx', fix: 'upgrade', before: 'http10_proxy' },
  { program: 'nginx', fix: 'timeout', before: 'idle_cut' },
  { program: 'nginx', fix: 'route', before: 'spa_fallback' },
  { program: 'nginx', fix: 'host', before: 'host_refused' },
  { program: 'nginx', fix: 'buffering', before: 'proxy_buffering' },
  { program: 'nginx', fix: 'cors', before: 'cors_stripped' },
  { program: 'nginx', fix: 'tls', before: 'tls_failed' },
  { program: 'HAProxy', fix: 'upgrade', before: 'upgrade_stripped' },
  { program: 'HAProxy', fix: 'timeout', before: 'idle_cut' },
  { program: 'HAProxy', fix: 'route', before: 'spa_fallback' },
  { program: 'HAProxy', fix: 'host', before: 'host_refused' },
  { program: 'HAProxy', fix: 'tls', before: 'tls_failed' },
  { program: 'Caddy', fix: 'upgrade', before: 'upgrade_stripped' },
  { program: 'Caddy', fix: 'route', before: 'spa_fallback' },
  { program: 'Caddy', fix: 'host', before: 'host_refused' },
  { program: 'Caddy', fix: 'tls', before: 'tls_failed' },
]

/** A configuration with the fault, and the place where the snippet goes. */
interface Broken { around: (inside: string) => string; fault: string }

const nginxHttp = (inside: string) => `daemon off;
error_log DIR/error.log;
pid DIR/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;
  upstream behind { server UPSTREAM; }
  ${inside}
}
`
const nginxServer = (inside: string) => nginxHttp(`server {\n listen 127.0.0.1:PORT;\n ${inside}\n }`)
const passing = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";'
const keepHost = 'proxy_set_header Host $http_host;'
const nginxPass = (rules: string, to = 'UPSTREAM') => (inside: string) => nginxServer(`location / { proxy_pass http://${to}; ${passing} ${rules} ${inside} }`)

const haproxyDefaults = (inside = 'timeout tunnel 1h') => `defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    ${inside}
`
const haproxyBackend = 'backend behind\n    server one UPSTREAM\nbackend page\n    http-request return status 200 content-type text/html string "<!doctype html>app"\n'
const haproxyFront = (inside: string, rest = 'default_backend behind', bind = 'bind 127.0.0.1:PORT') =>
  `${haproxyDefaults()}frontend all\n    ${bind}\n    ${inside}\n    ${rest}\n${haproxyBackend}`

const caddyGlobal = '{\n    admin off\n    auto_https off\n}\n'
const caddySite = (inside: string) => `${caddyGlobal}http://127.0.0.1:PORT {\n${inside}\n}\n`
const caddyPage = 'handle {\n    root * DIR\n    try_files {path} /index.html\n    file_server\n}'

const broken: Record<Snippet['program'], Partial<Record<FixName, Broken>>> = {
  nginx: {
    upgrade: { around: nginxHttp, fault: `server { listen 127.0.0.1:PORT; location / { proxy_pass http://UPSTREAM; ${keepHost} } }` },
    timeout: { around: nginxPass(keepHost), fault: 'proxy_read_timeout 5s;' },
    route: {
      around: (inside) => nginxServer(`location / { default_type text/html; return 200 '<!doctype html>app'; }\n${inside}`),
      fault: `location /api/ { proxy_pass http://UPSTREAM; ${keepHost} } location /chat/ { proxy_pass http://UPSTREAM; ${keepHost} }`,
    },
    // Without the line, nginx sends the name of the upstream.
    host: { around: nginxPass('', 'behind'), fault: '' },
    // Over HTTP/1.1 nginx passes the pieces of an answer on as they come.
    buffering: {
      around: (inside) => nginxServer(`location / { proxy_pass http://UPSTREAM; ${keepHost} ${inside} } location /ws/ { proxy_pass http://UPSTREAM; ${passing} ${keepHost} }`),
      fault: '',
    },
    cors: { around: nginxPass(`${keepHost} proxy_hide_header Access-Control-Allow-Origin;`), fault: '' },
    tls: { around: (inside) => nginxHttp(`server { ${inside} location / { proxy_pass http://UPSTREAM; ${passing} ${keepHost} } }`), fault: 'listen 127.0.0.1:PORT;' },
  },
  HAProxy: {
    upgrade: { around: (inside) => `${inside}\n`, fault: haproxyFront('http-request del-header Upgrade') },
    timeout: { around: (inside) => `${haproxyDefaults(inside)}frontend all\n    bind 127.0.0.1:PORT\n    default_backend behind\n${haproxyBackend}`, fault: 'timeout tunnel 5s' },
    route: {
      around: (inside) => `${haproxyFront(inside, 'default_backend page')}backend partyline\n    server one UPSTREAM\n`,
      fault: 'use_backend partyline if { path_beg /api/ /chat/ }',
    },
    host: { around: (inside) => haproxyFront(`http-request set-header Host elsewhere\n    ${inside}`), fault: '' },
    tls: { around: (inside) => haproxyFront('', 'default_backend behind', inside), fault: 'bind 127.0.0.1:PORT' },
  },
  Caddy: {
    upgrade: { around: (inside) => `${caddyGlobal}${inside}\n`, fault: 'http://127.0.0.1:PORT {\n    reverse_proxy UPSTREAM {\n        header_up -Upgrade\n        header_up -Connection\n    }\n}' },
    route: { around: caddySite, fault: `@api path /api/* /chat/*\nhandle @api {\n    reverse_proxy UPSTREAM\n}\n${caddyPage}` },
    host: { around: caddySite, fault: 'reverse_proxy UPSTREAM {\n    header_up Host elsewhere\n}' },
    tls: { around: (inside) => `${caddyGlobal}${inside}\n`, fault: 'http://127.0.0.1:PORT {\n    reverse_proxy UPSTREAM\n}' },
  },
}

// The lab's own addresses in place of the examples; nothing else is changed.
function placed(text: string, secure: boolean): string {
  return text.replaceAll('127.0.0.1:8000', 'UPSTREAM').replaceAll('/etc/ssl/chat', 'CERTIFICATE').replaceAll('/srv/app', 'DIR')
    .replace(/^chat\.example\.org \{/m, `http${secure ? 's' : ''}://127.0.0.1:PORT {`)
    .replace(/listen (?:80|443)/, 'listen 127.0.0.1:PORT').replace(/bind :(?:80|443)/, 'bind 127.0.0.1:PORT')
}

/** The configurations without and with the snippet. */
export function configurations({ program, fix }: Snippet): { faulty: string; repaired: string } {
  const lines = (fixes[fix])[program], at = broken[program][fix]
  if (lines === undefined || !at) throw new Error(`there is no snippet ${fix} for ${program}`)
  return { faulty: at.around(at.fault), repaired: at.around(placed(lines, fix === 'tls')) }
}
