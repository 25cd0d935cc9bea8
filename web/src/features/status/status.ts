/** What the page shows of /chat/status/. */
export interface ServerStatus {
  status: string
  version: string
  uptime: number // seconds
}

/** Reads the answer of /chat/status/; null if it is something else. */
export function parseStatus(value: unknown): ServerStatus | null {
  if (typeof value !== 'object' || value === null) return null
  const { status, version, uptime_s } = value as Record<string, unknown>
  if (typeof status !== 'string') return null
  return {
    status,
    version: typeof version === 'string' ? version : '',
    uptime: typeof uptime_s === 'number' && Number.isFinite(uptime_s) ? Math.floor(uptime_s) : 0,
  }
}

/** Asks the server; null if it gives no answer that can be read. */
export async function fetchStatus(signal: AbortSignal): Promise<ServerStatus | null> {
  try {
    const answer = await fetch('/chat/status/', { signal, cache: 'no-store' })
    return parseStatus(await answer.json())
  } catch {
    return null
  }
}
