import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app/App'
import { parseRoute } from './app/route'
import { startChat } from './app/session'
import './app/tokens.css'
import { takeSecrets } from './shared/secrets'
import { loadTheme, showTheme } from './shared/theme'

takeSecrets(window)
const root = document.getElementById('root')
if (root) {
  const route = parseRoute(window.location.hash)
  const session = startChat(route.page === 'room' ? route.room : null)
  showTheme(loadTheme(session.store))
  createRoot(root).render(<StrictMode><App session={session} /></StrictMode>)
}
