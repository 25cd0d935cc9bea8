import { useState, type ReactNode } from 'react'
import { Markdown } from '../../shared/markdown/Markdown'
import { texts } from '../../shared/texts'
import styles from './MessageText.module.css'

const long = 1_500 // characters
const tall = 24 // lines

/** The text of a message; a long one is folded. children follow it. */
export function MessageText({ text, children }: { text: string; children?: ReactNode }) {
  const [open, setOpen] = useState(false)
  const folds = text.length > long || text.split('\n', tall + 1).length > tall
  return (
    <>
      <p className={styles.text} dir="auto" data-folded={folds && !open}><Markdown text={text} />{children}</p>
      {folds && (
        <button type="button" className={`link ${styles.more ?? ''}`} aria-expanded={open} onClick={() => { setOpen(!open) }}>
          {open ? texts.messages.showLess : texts.messages.showAll}
        </button>
      )}
    </>
  )
}
