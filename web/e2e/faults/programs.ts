// Configurations of real proxies. PORT, UPSTREAM and DIR are filled in; DOWN is a
// port on which nothing listens.

const nginxWith = (location: string, upstream = 'UPSTREAM') => `daemon off;
error_log DIR/error.log;
pid DIR/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  server {
    listen 127.0.0.1:PORT;
    location / { proxy_pass http://${upstream}; proxy_set_header Host $http_host; }
    location /ws/ {
      proxy_pass http://${upstream};
      proxy_set_header Host $http_host;
      ${location}
    }
  }
}
`
const passing = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;'

export const nginx = {
  good: nginxWith(`${passing} proxy_read_timeout 300s;`),
  plain: nginxWith(''),
  noUpgrade: nginxWith('proxy_http_version 1.1;'),
  cutting: nginxWith(`${passing} proxy_read_timeout 5s;`),
  down: nginxWith(passing).replace('location /ws/ {\n      proxy_pass http://UPSTREAM', 'location /ws/ {\n      proxy_pass http://DOWN'),
}

const haproxyWith = (tunnel: string, rules = '') => `global
    maxconn 200
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel ${tunnel}
frontend all
    bind 127.0.0.1:PORT
    ${rules}
    default_backend partyline
backend partyline
    server one UPSTREAM
backend down
    server one DOWN
`

export const haproxy = {
  good: haproxyWith('1h'),
  cutting: haproxyWith('5s'),
  down: haproxyWith('1h', 'use_backend down if { path_beg /ws/ }'),
}
