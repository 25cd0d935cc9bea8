/**
 * Configuration lines by cause and program, with example addresses: the server at
 * 127.0.0.1:8000, the site chat.example.org. The help pages print the same lines
 * (fixes.test.ts), and the fault lab runs those of nginx, HAProxy and Caddy as
 * they stand here, with its own addresses in place of the examples.
 */
export type Program = 'nginx' | 'Caddy' | 'HAProxy' | 'Apache' | 'cloud'

export type Fix = Partial<Record<Program, string>>

/** What a proxy has to do so that WebSockets pass. Whole files. */
const upgrade: Fix = {
  nginx: `map $http_upgrade $connection_upgrade { default upgrade; '' close; }
server {
    listen 80;
    server_name chat.example.org;
    location / {
        proxy_pass http://127.0.0.1:8000;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_read_timeout 300s;
    }
}`,
  Caddy: `chat.example.org {
    reverse_proxy 127.0.0.1:8000
}`,
  HAProxy: `defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
frontend web
    bind :80
    default_backend partyline
backend partyline
    server one 127.0.0.1:8000`,
  Apache: `ProxyPreserveHost On
ProxyPass / http://127.0.0.1:8000/ upgrade=websocket timeout=300`,
  cloud: 'Use a listener of type HTTP or HTTPS (AWS: Application Load Balancer, Google Cloud: HTTP(S) load balancer, Azure: Application Gateway): they pass WebSocket on by themselves. Raise the idle or backend time-out above 60 s.',
}

/** Caddy has no limit for quiet connections. */
const timeout: Fix = {
  nginx: 'proxy_read_timeout 300s;\nproxy_send_timeout 300s;',
  HAProxy: 'timeout tunnel 1h',
  Apache: 'ProxyPass / http://127.0.0.1:8000/ upgrade=websocket timeout=300',
  cloud: 'AWS ALB: idle_timeout.timeout_seconds = 300. Google Cloud: backend service timeoutSec = 86400. Azure Application Gateway: request time-out 300.',
}

/** Inside the site, or the frontend, that answers other paths itself. */
const route: Fix = {
  nginx: `location /ws/ {
    proxy_pass http://127.0.0.1:8000;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_read_timeout 300s;
}
location /api/ { proxy_pass http://127.0.0.1:8000; proxy_set_header Host $http_host; }
location /chat/ { proxy_pass http://127.0.0.1:8000; proxy_set_header Host $http_host; }`,
  // try_files outside of a handle would rewrite the paths of Partyline too.
  Caddy: `@partyline path /ws/* /api/* /chat/*
handle @partyline {
    reverse_proxy 127.0.0.1:8000
}
handle {
    root * /srv/app
    try_files {path} /index.html
    file_server
}`,
  HAProxy: `acl partyline path_beg /ws/ /api/ /chat/
use_backend partyline if partyline`,
  Apache: `ProxyPass /ws/ http://127.0.0.1:8000/ws/ upgrade=websocket
ProxyPass /api/ http://127.0.0.1:8000/api/
ProxyPass /chat/ http://127.0.0.1:8000/chat/`,
}

/** The Host of the client, or the name under which the server is reached. */
const host: Fix = {
  nginx: 'proxy_set_header Host $http_host;',
  Caddy: `reverse_proxy 127.0.0.1:8000 {
    header_up Host {http.request.hostport}
}`,
  HAProxy: 'http-request set-header Host chat.example.org',
  Apache: 'ProxyPreserveHost On',
}

/** HAProxy and Caddy hold no streamed answers back. */
const buffering: Fix = {
  nginx: 'proxy_buffering off;\nproxy_request_buffering off;',
  Apache: 'ProxyPass / http://127.0.0.1:8000/ upgrade=websocket flushpackets=on',
}

/** The other programs pass it on unless a rule removes it: take the rule away. */
const cors: Fix = {
  nginx: 'proxy_pass_header Access-Control-Allow-Origin;',
}

/** Caddy gets a certificate by itself when the line "tls" is left out. */
const tls: Fix = {
  nginx: 'listen 443 ssl;\nssl_certificate /etc/ssl/chat.pem;\nssl_certificate_key /etc/ssl/chat.key;',
  Caddy: `chat.example.org {
    tls /etc/ssl/chat.pem /etc/ssl/chat.key
    reverse_proxy 127.0.0.1:8000
}`,
  HAProxy: 'bind :443 ssl crt /etc/ssl/chat.pem',
  Apache: 'SSLEngine on\nSSLCertificateFile /etc/ssl/chat.pem\nSSLCertificateKeyFile /etc/ssl/chat.key',
}

export const fixes = { upgrade, timeout, route, host, buffering, cors, tls } satisfies Record<string, Fix>

export type FixName = keyof typeof fixes

/** Chooses the tab from the headers Server and Via. */
export function programOf(server: string, via: string): Program {
  const text = `${server} ${via}`.toLowerCase()
  if (text.includes('caddy')) return 'Caddy'
  if (text.includes('haproxy')) return 'HAProxy'
  if (text.includes('apache')) return 'Apache'
  if (/awselb|gfe|google|azure|cloudfront|cloudflare/.test(text)) return 'cloud'
  return 'nginx'
}
