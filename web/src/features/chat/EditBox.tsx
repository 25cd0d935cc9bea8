import { useEffect, useRef, useState } from 'react'
import { texts } from '../../shared/texts'
import styles from './EditBox.module.css'
import { textProblem } from './textProblem'

/** Changes a message in its place: Enter saves, Escape cancels. */
export function EditBox({ text, onSave, onCancel }: { text: string; onSave: (text: string) => void; onCancel: () => void }) {
  const [typed, setTyped] = useState(text)
  const field = useRef<HTMLTextAreaElement>(null)
  const problem = textProblem(typed)
  useEffect(() => {
    field.current?.focus()
    field.current?.setSelectionRange(text.length, text.length)
  }, [text])
  const save = () => {
    if (typed.trim() === '' || problem !== '') return
    if (typed === text) onCancel()
    else onSave(typed)
  }
  return (
    <form className={styles.box} onSubmit={(event) => { event.preventDefault(); save() }}>
      <textarea ref={field} aria-label={texts.actions.editLabel} value={typed} rows={2} dir="auto"
        onChange={(event) => { setTyped(event.target.value) }}
        onKeyDown={(event) => {
          event.stopPropagation()
          if (event.key === 'Escape') onCancel()
          if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
          event.preventDefault()
          save()
        }} />
      <div>
        <button type="submit" className="main" disabled={typed.trim() === '' || problem !== ''}>{texts.actions.save}</button>
        <button type="button" onClick={onCancel}>{texts.cancel}</button>
        {problem !== '' && <span role="alert">{problem}</span>}
      </div>
    </form>
  )
}
