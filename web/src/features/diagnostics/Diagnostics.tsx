import { useEffect, useRef } from 'react'
import type { Client } from '../../client/client'
import { browserDiagEnv } from '../../diagnostics/env'
import { targetOf } from '../../diagnostics/target'
import { mountPanel, type PanelHost } from '../../diagnostics/view/panel'
import '../../diagnostics/view/view.css'
import { earlierOf } from './earlier'

const lastKey = 'partyline.diagnosis'
const heartbeatS = 25 // default of gateway.heartbeat

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
    setup: () => {
      const { urls, clientKey, token } = client.o
      const bearer = token?.() ?? null
      const { user, log } = client.snapshot()
      return {
        target: targetOf(new URL(urls[0] ?? '/ws/chat/', window.location.href).href.replace(/^http/, 'ws'), window.location.origin, window.origin),
        user, protocols: ['partyline.v1', `client.${clientKey}`, ...(bearer === null ? [] : [`bearer.${bearer}`])],
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
    heartbeatS,
  }
}

// Storage may be forbidden.
function stored(access: (store: Storage) => string | null): string | null {
  try {
    return access(window.sessionStorage)
  } catch {
    return null
  }
}
