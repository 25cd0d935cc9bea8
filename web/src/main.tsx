import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app/App'
import { takeAdminToken } from './app/admin'
import './app/tokens.css'
import { startChat } from './app/session'

takeAdminToken(window)
const root = document.getElementById('root')
if (root) createRoot(root).render(<StrictMode><App session={startChat()} /></StrictMode>)
