import { useState } from 'react'
import { keepToken, loadToken } from '../shared/secrets'
import { fetchStatus } from '../shared/server'
import { texts } from '../shared/texts'
import { usePolled } from '../shared/usePolled'
import { useSnapshot } from '../shared/useSnapshot'
import bar from './ReportQuestion.module.css'
import type { Session } from './session'

const every = 5_000

/** Asks for a token where the server wants one and the connection is not open. */
export function SignIn({ session }: { session: Session }) {
  const online = useSnapshot(session.client, (s) => s.connection.name === 'online')
  return online ? null : <Question session={session} />
}

function Question({ session: { client } }: { session: Session }) {
  const wanted = usePolled(fetchStatus, every).value?.auth === 'jwt'
  const [tried, setTried] = useState(() => loadToken() !== null)
  const [token, setToken] = useState('')
  if (!wanted) return null
  return (
    <form className={bar.bar} aria-label={texts.signIn.title}
      onSubmit={(event) => {
        event.preventDefault()
        if (token.trim() === '' || !keepToken(token.trim())) return
        setTried(true)
        setToken('')
        client.start()
      }}>
      <p role="status">{tried ? texts.signIn.refused : texts.signIn.wanted}</p>
      <span>
        <input type="password" aria-label={texts.signIn.field} autoComplete="off" maxLength={8192} value={token} onChange={(event) => { setToken(event.target.value) }} />
        <button type="submit" className="main">{texts.signIn.send}</button>
      </span>
    </form>
  )
}
