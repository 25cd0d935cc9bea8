import type { DiagEnv, DiagSocket } from '../env'
import type { Tri } from '../evidence'
import { limits } from '../limits'
import { printable } from './noise'
import { busyMs, Pulse } from './pulse'

/**
 * Bytes of the longest message that the contract promises to take: 4,000 code
 * points of up to four bytes, meta of 2 KiB, and what is around.
 */
export const fullFrame = 16_000 + 2_048 + 512

/** Sends a ping as long as a full message of the chat; it stores nothing. */
export function fullMessage(env: DiagEnv, socket: DiagSocket, ended: AbortSignal, cancelled: AbortSignal): Promise<Tri> {
  return new Promise((resolve) => {
    const end = (result: Tri) => {
      env.clearTimeout(timer)
      pulse.stop()
      ended.removeEventListener('abort', lost)
      resolve(result)
    }
    const pulse = new Pulse(env)
    // Late on a busy machine is not lost, unless the connection ended.
    const lost = () => { end(cancelled.aborted || !ended.aborted && pulse.lateness() > busyMs ? 'unknown' : 'no') }
    const timer = env.setTimeout(lost, limits.full)
    ended.addEventListener('abort', lost, { once: true })
    socket.onmessage = ({ data }) => { if (typeof data === 'string' && isPong(data)) end('yes') }
    const head = '{"type":"ping","t":2,"pad":"', tail = '"}'
    try {
      socket.send(head + printable(fullFrame - head.length - tail.length) + tail)
    } catch {
      end('no')
    }
  })
}

function isPong(data: string): boolean {
  try {
    const frame: unknown = JSON.parse(data.slice(0, limits.bodyBytes))
    return typeof frame === 'object' && frame !== null && 'type' in frame && frame.type === 'pong' && 't' in frame && frame.t === 2
  } catch {
    return false
  }
}
