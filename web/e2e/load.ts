import type { WebSocketRoute } from 'playwright-core'

/** A message of a made-up room; lengths vary as in a real one. */
function message(seq: number): object {
  const words = 'the quick brown fox jumps over the lazy dog and does not look back '
  return {
    seq, ts: new Date(Date.UTC(2026, 0, 1) + seq * 1_000).toISOString(), id: `m${String(seq)}`,
    uid: `u${String(seq % 7)}`, user: `person ${String(seq % 7)}`,
    text: `#${String(seq)} ${words.repeat((seq * 7) % 5).slice(0, (seq * 37) % 300)}`,
  }
}

/**
 * A server in the browser's network layer with a room of any size, so that what
 * is measured is the page alone.
 */
export class FakeRoom {
  last: number
  private socket: WebSocketRoute | null = null

  constructor(messages: number) {
    this.last = messages
  }

  attach(ws: WebSocketRoute): void {
    this.socket = ws
    ws.send(JSON.stringify({ type: 'welcome', uid: 'me', epoch: 'e', user: 'me', time: new Date().toISOString() }))
    ws.onMessage((text) => { this.answer(ws, JSON.parse(String(text)) as Record<string, unknown>) })
  }

  /** Sends the next messages as events, in one go. */
  say(count: number): void {
    for (let i = 0; i < count; i++) {
      const prev = this.last++
      const { seq, ts, ...event } = message(this.last) as { seq: number; ts: string }
      this.socket?.send(JSON.stringify({ type: 'event', room: 'lobby', seq, prev, ts, event: { kind: 'message', ...event } }))
    }
  }

  private answer(ws: WebSocketRoute, { type, id, before }: Record<string, unknown>): void {
    if (type === 'ping') ws.send('{"type":"pong"}')
    if (type === 'join') ws.send(JSON.stringify({ type: 'joined', id, room: 'lobby', epoch: 'e', last_seq: this.last, members: 8, ...this.page(this.last + 1, 50) }))
    if (type === 'history') ws.send(JSON.stringify({ type: 'history', id, room: 'lobby', ...this.page(Number(before), 200) }))
  }

  private page(before: number, limit: number): { messages: object[]; more: boolean } {
    const from = Math.max(1, before - limit)
    return { messages: Array.from({ length: Math.max(0, before - from) }, (_, i) => message(from + i)), more: from > 1 }
  }
}
