import { parseTable, type Table } from './table'

/** What came of a question: a table, or what went wrong in words. */
export type Answer = { table: Table } | { problem: string }

// What the page holds and shows of one answer.
const maxBytes = 16 << 20

const words: Record<number, string> = {
  401: 'The admin token is missing or wrong. Open the address with #admin= that the server prints on its terminal.',
  429: 'Too many questions at once. Wait a moment.',
}

/** Asks the server in SQL. It throws only when the signal was aborted. */
export async function ask(query: string, token: string, signal: AbortSignal): Promise<Answer> {
  try {
    const answer = await fetch('/api/v1/analytics/query', {
      method: 'POST', signal, cache: 'no-store', credentials: 'omit',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, format: 'compact' }),
    })
    if (answer.ok) return { table: await read(answer) }
    return { problem: words[answer.status] ?? await detail(answer) }
  } catch (error) {
    signal.throwIfAborted()
    return { problem: `The server gives no answer (${error instanceof Error ? error.message.slice(0, 200) : 'unknown'}).` }
  }
}

async function detail(answer: Response): Promise<string> {
  try {
    const body = await answer.json() as { detail?: unknown } | null
    if (typeof body?.detail === 'string') return body.detail.slice(0, 2000)
  } catch {
    // No problem document: the status has to do.
  }
  return `The server answered with status ${String(answer.status)}.`
}

// A connection that ends early keeps what came before it.
async function read(answer: Response): Promise<Table> {
  const reader = answer.body?.getReader()
  const decoder = new TextDecoder()
  let [text, size, broken] = ['', 0, '']
  while (reader) {
    const part = await reader.read().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === 'AbortError') throw error
      broken = 'The connection ended before the answer did.'
      return { done: true as const, value: undefined }
    })
    if (part.done) break
    size += part.value.length
    if (size > maxBytes) {
      broken = 'The answer is larger than this page holds; add LIMIT.'
      await reader.cancel()
      break
    }
    text += decoder.decode(part.value, { stream: true })
  }
  const table = parseTable(text)
  return broken === '' || (table.broken !== undefined && table.broken !== 'The answer was cut off.') ? table : { ...table, broken }
}
