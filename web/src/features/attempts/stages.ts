/** A stage of an attempt. */
export interface Stage { stage: string; outcome: string; since: number; took: number; error: string; detail: string; closeCode: number }

const id = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const maxRows = 200

/** Asks for the stages of an attempt, in order; a text instead says why not. It never rejects. */
export async function fetchStages(conn: string, token: string, signal: AbortSignal): Promise<Stage[] | string> {
  if (!id.test(conn)) return 'the server gave it no id'
  const query = `SELECT stage, outcome, since_accept_us, duration_us, error_type, error_detail, close_code FROM connection_events FINAL
WHERE conn = '${conn}' AND stage != 'ping' ORDER BY since_accept_us, seq, idx LIMIT ${String(maxRows)}`
  try {
    const answer = await fetch('/api/v1/analytics/query', {
      method: 'POST', signal, cache: 'no-store', credentials: 'omit',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }, body: JSON.stringify({ query }),
    })
    if (!answer.ok) return answer.status === 403 ? 'the SQL console of this server is closed' : `status ${String(answer.status)}`
    return parseStages(await answer.text())
  } catch {
    return 'the server gives no answer'
  }
}

/** Reads the rows, an object a line; 64-bit numbers may be texts. */
export function parseStages(body: string): Stage[] {
  return body.split('\n').filter((line) => line !== '').map((line) => {
    const row = JSON.parse(line) as Record<string, unknown>
    const text = (name: string) => (typeof row[name] === 'string' ? row[name].slice(0, 200) : '')
    const number = (name: string) => { const n = Number(row[name]); return Number.isFinite(n) ? n : 0 }
    return { stage: text('stage'), outcome: text('outcome'), since: number('since_accept_us'), took: number('duration_us'), error: text('error_type'), detail: text('error_detail'), closeCode: number('close_code') }
  })
}
