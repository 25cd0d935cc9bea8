import { useCallback, useEffect, useRef, useState, type KeyboardEvent, type PointerEvent, type FocusEvent, type RefObject } from 'react'
import type { Message } from '../../client/frames'
import { indexOf } from '../../client/room'
import type { RowActions } from './actions'

interface RowFocus {
  /** The seq of the message that is pointed at or has the focus. */
  active: number | null
  handlers: {
    onPointerOver: (event: PointerEvent) => void
    onPointerLeave: () => void
    onFocus: (event: FocusEvent) => void
    onKeyDown: (event: KeyboardEvent) => void
  }
}

const seqOf = (target: EventTarget): number | null => {
  const article = target instanceof Element ? target.closest('article[data-seq]') : null
  return article instanceof HTMLElement ? Number(article.dataset.seq) : null
}

const popoverOpen = () => document.querySelector(':popover-open') !== null

/** Which message the pointer or the keyboard has chosen, and its keys. */
export function useRowFocus({ messages, uid, box, actions, toKey, toEnd }: {
  messages: readonly Message[]; uid: string; box: RefObject<HTMLElement | null>
  actions: RowActions; toKey: (seq: number) => void; toEnd: () => void
}): RowFocus {
  const [active, setActive] = useState<number | null>(null)
  const wanted = useRef<number | null>(null)

  // The row may have to be rendered first.
  useEffect(() => {
    if (wanted.current === null) return
    const article = box.current?.querySelector<HTMLElement>(`article[data-seq="${String(wanted.current)}"]`)
    if (!article) return
    wanted.current = null
    article.focus({ preventScroll: true })
    article.scrollIntoView({ block: 'nearest' })
  })

  const move = (to: number) => {
    const message = messages[Math.max(0, Math.min(to, messages.length - 1))]
    if (!message) return
    wanted.current = message.seq
    setActive(message.seq)
    toKey(message.seq)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const at = active === null ? -1 : indexOf(messages, active)
    const message = messages[at]
    if (!message || event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof HTMLElement) || popoverOpen()) return
    const own = message.uid === uid && message.deleted !== true
    const keys: Record<string, () => void> = {
      ArrowUp: () => { move(at - 1) }, ArrowDown: () => { move(at + 1) },
      Home: () => { move(0) }, End: () => { move(messages.length - 1) }, Escape: toEnd,
    }
    if (event.target.tagName === 'ARTICLE' && message.deleted !== true) {
      keys.r = () => { actions.reply(message) }
      keys['+'] = () => { event.currentTarget.querySelector<HTMLElement>('[role="toolbar"] [popovertarget]')?.click() }
      if (own) {
        keys.e = () => { actions.edit(message) }
        keys.Delete = () => { event.currentTarget.querySelector<HTMLElement>('[role="toolbar"] button:last-child')?.click() }
      }
    }
    if (!Object.hasOwn(keys, event.key)) return
    event.preventDefault()
    keys[event.key]?.()
  }
  const onPointerOver = useCallback((event: PointerEvent) => {
    const seq = seqOf(event.target)
    if (seq !== null && !popoverOpen()) setActive(seq)
  }, [])
  const onPointerLeave = useCallback(() => {
    if (!popoverOpen() && box.current?.contains(document.activeElement) !== true) setActive(null)
  }, [box])
  const onFocus = useCallback((event: FocusEvent) => {
    const seq = seqOf(event.target)
    if (seq !== null) setActive(seq)
  }, [])
  return { active, handlers: { onPointerOver, onPointerLeave, onFocus, onKeyDown } }
}
