import type { Program } from '../../src/diagnostics/fixes'

/**
 * A fault of a real proxy that a printed snippet has to end. What the terminal
 * must name before is fixed here; after it, it must say "healthy".
 */
export interface Snippet {
  program: Extract<Program, 'nginx' | 'HAProxy' | 'Caddy'>
  /** Its name in src/diagnostics/fixes.ts. */
  fix: string
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
