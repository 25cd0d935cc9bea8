/** Configuration lines by cause and program. Those of nginx and HAProxy are run by the fault lab. */
export type Program = 'nginx' | 'Caddy' | 'HAProxy' | 'Apache' | 'cloud'

export type Fix = Partial<Record<Program, string>>

const upgrade: Fix = {
  nginx: `map $http_upgrade $connection_upgrade { default upgrade; '' close; }
location / {
    proxy_pass http://127.0.0.1:8000;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_read_timeout 300s;
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
backend partyline
    server one 127.0.0.1:8000`,
  Apache: `ProxyPreserveHost On
ProxyPass / http://127.0.0.1:8000/ upgrade=websocket timeout=300`,
  cloud: 'Use a listener of type HTTP or HTTPS (AWS: Application Load Balancer, Google Cloud: HTTP(S) load balancer, Azure: Application Gateway): they pass WebSocket on by themselves. Raise the idle or backend time-out above 60 s.',
}

const timeout: Fix = {
  nginx: 'proxy_read_timeout 300s;\nproxy_send_timeout 300s;',
  Caddy: 'reverse_proxy 127.0.0.1:8000 {\n    stream_timeout 24h\n}',
  HAProxy: 'timeout tunnel 1h',
  Apache: 'ProxyPass / http://127.0.0.1:8000/ upgrade=websocket timeout=300',
  cloud: 'AWS ALB: idle_timeout.timeout_seconds = 300. Google Cloud: backend service timeoutSec = 86400. Azure Application Gateway: request time-out 300.',
}

const route: Fix = {
  nginx: `location /ws/  { proxy_pass http://127.0.0.1:8000; include partyline-proxy.conf; }
location /api/ { proxy_pass http://127.0.0.1:8000; }
location /chat/ { proxy_pass http://127.0.0.1:8000; }`,
  Caddy: `@partyline path /ws/* /api/* /chat/*
reverse_proxy @partyline 127.0.0.1:8000`,
  HAProxy: `acl partyline path_beg /ws/ /api/ /chat/
use_backend partyline if partyline`,
  Apache: `ProxyPass /ws/ http://127.0.0.1:8000/ws/ upgrade=websocket
ProxyPass /api/ http://127.0.0.1:8000/api/
ProxyPass /chat/ http://127.0.0.1:8000/chat/`,
}

export const fixes: Readonly<Record<string, Fix>> = {
  upgrade, timeout, route,
  host: {
    nginx: 'proxy_set_header Host $http_host;', Caddy: 'reverse_proxy 127.0.0.1:8000', HAProxy: 'http-request set-header Host %[req.hdr(host)]',
    Apache: 'ProxyPreserveHost On',
  },
  buffering: {
    nginx: 'proxy_buffering off;\nproxy_request_buffering off;', Caddy: 'reverse_proxy 127.0.0.1:8000 {\n    flush_interval -1\n}',
    HAProxy: 'no option http-buffer-request', Apache: 'ProxyPass / http://127.0.0.1:8000/ upgrade=websocket flushpackets=on',
  },
  cors: {
    nginx: 'proxy_pass_header Access-Control-Allow-Origin;', Caddy: 'reverse_proxy 127.0.0.1:8000', HAProxy: '# remove every "http-response del-header Access-Control-Allow-Origin"',
    Apache: '# remove every "Header unset Access-Control-Allow-Origin"',
  },
  tls: {
    nginx: 'listen 443 ssl;\nssl_certificate /etc/ssl/chat.pem;\nssl_certificate_key /etc/ssl/chat.key;', Caddy: 'chat.example.org {\n    reverse_proxy 127.0.0.1:8000\n}',
    HAProxy: 'bind :443 ssl crt /etc/ssl/chat.pem', Apache: 'SSLEngine on\nSSLCertificateFile /etc/ssl/chat.pem\nSSLCertificateKeyFile /etc/ssl/chat.key',
  },
}

/** Chooses the tab from the headers Server and Via. */
export function programOf(server: string, via: string): Program {
  const text = `${server} ${via}`.toLowerCase()
  if (text.includes('caddy')) return 'Caddy'
  if (text.includes('haproxy')) return 'HAProxy'
  if (text.includes('apache')) return 'Apache'
  if (/awselb|gfe|google|azure|cloudfront|cloudflare/.test(text)) return 'cloud'
  return 'nginx'
}
