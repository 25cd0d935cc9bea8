import type { Why } from '../../client/codes'
import type { ConnectionState } from '../../client/connection'
import type { ServerStatus } from '../../shared/server'
import { texts } from '../../shared/texts'

/** What is known while something is wrong. */
export interface Facts {
  state: ConnectionState
  why: Why | null
  /** What the browser believes of the network. */
  network: boolean
  /** The last answer of /chat/status/; undefined: none yet. */
  server: ServerStatus | null | undefined
  /** By Env.now, as the state's times are. */
  now: number
}

export interface BannerWords {
  tone: 'wait' | 'bad'
  words: string
  /** Connecting now can help. */
  retry: boolean
  /** Diagnostics may know more. */
  diagnose: boolean
}

// These say all there is to say.
const plain = new Set<Why>(['starting', 'drain', 'by_hand', 'busy', 'flood', 'slow', 'kicked', 'token_expired', 'closed'])

/** The banner of a connection that is not up; null while it is. */
export function bannerWords({ state, why, network, server, now }: Facts): BannerWords | null {
  const t = texts.banner
  if (state.name === 'online') return null
  if (!network) return { tone: 'wait', words: t.offline, retry: false, diagnose: false }
  if (state.name === 'stopped' && state.why !== 'starting') {
    return { tone: 'bad', words: t.stopped(texts.why[state.why]), retry: true, diagnose: !plain.has(state.why) }
  }
  const words = [
    state.name === 'waiting' ? t.waiting(Math.max(0, Math.ceil((state.until - now) / 1000)), texts.why[state.why])
      : why === null ? t.connecting : t.reconnecting(texts.why[why]),
    ...(why !== null && plain.has(why) ? [] : [serverWords(server)]),
    t.kept,
  ].filter((part) => part !== '')
  return { tone: 'wait', words: words.join(' '), retry: state.name === 'waiting', diagnose: why === null || !plain.has(why) }
}

function serverWords(server: ServerStatus | null | undefined): string {
  if (server === undefined) return ''
  if (server === null) return texts.banner.serverSilent
  return server.draining || server.status === 'draining' ? texts.banner.serverDrains : texts.banner.serverAnswers
}

const tolerated = 90 // seconds

/**
 * Says how far the clock of this device is off, to the minute; empty if it is
 * right, or off by what the reader has been told.
 *
 * @param offset seconds, see Snapshot
 */
export function clockWords(offset: number, told: number | null, duration: (seconds: number) => string): string {
  if (Math.abs(offset) < tolerated || (told !== null && Math.abs(offset - told) < tolerated)) return ''
  const length = duration(Math.round(Math.abs(offset) / 60) * 60)
  return texts.banner.clock(offset > 0 ? texts.banner.behind(length) : texts.banner.ahead(length))
}
