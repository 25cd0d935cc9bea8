import { useState } from 'react'
import styles from './Chat.module.css'
import { textProblem } from './words'

/** Writes a message: Enter sends, Shift+Enter begins a line. */
export function Composer({ onSend }: { onSend: (text: string) => boolean }) {
  const [text, setText] = useState('')
  const [full, setFull] = useState(false)
  const problem = textProblem(text)
  const send = () => {
    if (text.trim() === '' || problem !== '') return
    const taken = onSend(text)
    setFull(!taken)
    if (taken) setText('')
  }
  return (
    <form className={styles.composer} onSubmit={(event) => { event.preventDefault(); send() }}>
      <textarea
        aria-label="Message" placeholder="Write a message" rows={2} value={text}
        onChange={(event) => { setText(event.target.value) }}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
          event.preventDefault()
          send()
        }}
      />
      <button type="submit" disabled={text.trim() === '' || problem !== ''}>Send</button>
      {(problem !== '' || full) && <span role="alert">{problem || 'Too many messages wait to be sent.'}</span>}
    </form>
  )
}
