import { useEffect, useRef } from 'react'
import type { Client } from '../../client/client'
import { browserDiagEnv } from '../../diagnostics/env'
import { targetOf } from '../../diagnostics/target'
import { mountPanel, type PanelHost } from '../../diagnostics/view/panel'
import '../../diagnostics/view/view.css'
import { secretKeys } from '../../shared/secrets'
import { texts } from '../../shared/texts'
import { earlierOf, ownAttempts } from './earlier'

const lastKey = 'partyline.diagnosis'
const usualHeartbeat = 25 // seconds, until the server told its own

/** The diagnosis of this page's own connection. Loaded when it is opened. */
export default function Diagnostics({ client }: { client: Client }) {
  const root = useRef<HTMLDivElement>(null)
  useEffect(() => (root.current ? mountPanel(root.current, hostOf(client)) : undefined), [client])
  return <div ref={root} />
}

function hostOf(client: Client): PanelHost {
  let paused = false
  return {
    env: browserDiagEnv,
    // Who opens it has asked for it, and the address is the page's own.
    autoStart: true,
    setup: () => {
      const { urls } = client.o
      const { user, log } = client.snapshot()
      return {
        target: targetOf(new URL(urls[0] ?? '/ws/chat/', window.location.href).href.replace(/^http/, 'ws'), window.location.origin, window.origin),
        user, protocols: protocolsOf(client),
        kind: 'chat', earlier: earlierOf(log),
      }
    },
    // A connection that works stays: only attempts would get into the way.
    pause: () => {
      paused = client.snapshot().connection.name !== 'online'
      if (paused) client.stop()
    },
    resume: () => { if (paused) client.start() },
    loadLast: () => stored((s) => s.getItem(lastKey)),
    saveLast: (text) => { stored((s) => { s.setItem(lastKey, text); return null }) },
    help: (code) => `/help/${code}`,
    heartbeatS: () => client.snapshot().server?.heartbeat ?? usualHeartbeat,
    room: () => {
      const { user, room } = client.snapshot()
      return { user, protocols: protocolsOf(client), room }
    },
    own: () => ownAttempts(client.snapshot().log, (why) => texts.why[why]),
    token: () => stored((s) => s.getItem(secretKeys.admin)),
  }
}

function protocolsOf({ o: { clientKey, token } }: Client): string[] {
  const bearer = token?.() ?? null
  return ['partyline.v1', `client.${clientKey}`, ...(bearer === null ? [] : [`bearer.${bearer}`])]
}

// Storage may be forbidden.
function stored(access: (store: Storage) => string | null): string | null {
  try {
    return access(window.sessionStorage)
  } catch {
    return null
  }
}
