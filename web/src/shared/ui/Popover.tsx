import { useId, useRef, type ReactNode } from 'react'
import styles from './Popover.module.css'

/**
 * A button that opens a small panel beside itself, in the browser's top layer;
 * Escape and a click elsewhere close it.
 */
export function Popover({ label, face, className, children }: {
  /** The name of button and panel. */
  label: string
  face: ReactNode
  className?: string
  /** The panel; close closes it. */
  children: (close: () => void) => ReactNode
}) {
  const id = useId()
  const button = useRef<HTMLButtonElement>(null)
  const panel = useRef<HTMLDivElement>(null)
  return (
    <>
      <button ref={button} type="button" className={className} aria-label={label} title={label} popoverTarget={id}>{face}</button>
      <div ref={panel} id={id} popover="auto" role="dialog" aria-label={label} className={styles.panel}
        onBeforeToggle={(event) => { if (event.newState === 'open') place(button.current, panel.current) }}>
        {children(() => { panel.current?.hidePopover() })}
      </div>
    </>
  )
}

// Towards the middle of the window, so that the size of the panel does not matter.
function place(button: HTMLElement | null, panel: HTMLElement | null): void {
  if (!button || !panel) return
  const at = button.getBoundingClientRect()
  const { innerWidth, innerHeight } = window
  const px = (n: number) => `${String(Math.max(8, Math.round(n)))}px`
  const below = at.top + at.bottom < innerHeight
  const right = at.left + at.right > innerWidth
  panel.style.inset = [
    below ? px(at.bottom + 6) : 'auto', right ? px(innerWidth - at.right) : 'auto',
    below ? 'auto' : px(innerHeight - at.top + 6), right ? 'auto' : px(at.left),
  ].join(' ')
}
