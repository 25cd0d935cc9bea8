import { useEffect, useRef, type ReactNode } from 'react'
import { texts } from '../texts'
import { Icon } from './Icon'
import styles from './Sheet.module.css'

/** Where a sheet appears: a drawer at a side, a wide side sheet, or the middle. */
export type SheetSide = 'left' | 'right' | 'wide' | 'middle'

/** A modal part of the page. Escape, its button and a click beside it close it. */
export function Sheet({ title, side, onClose, children }: {
  title: string; side: SheetSide; onClose: () => void; children: ReactNode
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const element = dialog.current
    element?.showModal()
    return () => { element?.close() }
  }, [])
  return (
    <dialog ref={dialog} className={styles.sheet} data-side={side} aria-label={title}
      onCancel={(event) => { event.preventDefault(); onClose() }}
      onClick={(event) => { if (event.target === dialog.current) onClose() }}>
      <div className={styles.inside}>
        <header className={styles.head}>
          <h2>{title}</h2>
          <button type="button" className="quiet icon" aria-label={texts.close} onClick={onClose}><Icon name="close" /></button>
        </header>
        <div className={styles.body}>{children}</div>
      </div>
    </dialog>
  )
}
