import { useCallback, useEffect, useLayoutEffect, useMemo, useReducer, useRef, type RefObject } from 'react'
import { Heights } from './heights'

const estimate = 44 // pixels of a row that was never on the screen
const overscan = 600 // pixels rendered beyond each end of the view
const atEnd = 40 // pixels from the end that still count as there
const nearTop = 1_200

export interface VirtualOptions {
  count: number
  /** Growing with i. */
  keyAt: (i: number) => number
  /** Whether the view stays at the newest row. */
  onFollow: (following: boolean) => void
  /** The first rows come near. */
  onTop: () => void
}

export interface Virtual {
  box: RefObject<HTMLDivElement | null>
  rows: RefObject<HTMLDivElement | null>
  /** The rows to render, each with data-index, without gaps or margins. */
  start: number
  end: number
  toEnd: () => void
  /** Brings a row into view, somewhere in the middle if it was not. */
  toKey: (key: number) => void
}

interface Place {
  following: boolean
  key: number // of the row at the top of the view
  delta: number // pixels of it above the view
}

/**
 * Renders only the rows of a long list that can be seen. The list keeps its
 * place: whatever is put before, measured or taken away, the row at the top of
 * the view stays where it is; at the end it follows new rows.
 */
export function useVirtual({ count, keyAt, onFollow, onTop }: VirtualOptions): Virtual {
  const box = useRef<HTMLDivElement>(null)
  const rows = useRef<HTMLDivElement>(null)
  const heights = useMemo(() => new Heights(estimate), [])
  const place = useRef<Place>({ following: true, key: 0, delta: 0 })
  const viewHeight = useRef(900)
  const lastTop = useRef(0)
  const [, redraw] = useReducer((n: number) => n + 1, 0)
  heights.sync(count, keyAt)
  const { start, end } = windowOf(heights, place.current, viewHeight.current)

  const settle = useCallback(() => {
    const [view, list] = [box.current, rows.current]
    if (!view || !list) return
    viewHeight.current = view.clientHeight
    measure(list, heights)
    const first = Number((list.firstElementChild as HTMLElement | null)?.dataset.index ?? 0)
    const shown = list.children.length
    list.style.paddingTop = `${String(heights.offset(first))}px`
    list.style.paddingBottom = `${String(Math.max(0, heights.total - heights.offset(first + shown)))}px`
    const { following, key, delta } = place.current
    const top = following ? view.scrollHeight - view.clientHeight : list.offsetTop + heights.offset(heights.indexOf(key)) + delta
    if (Math.abs(view.scrollTop - top) >= 1) view.scrollTop = top
    lastTop.current = view.scrollTop
    if (!covers(heights, view.scrollTop - list.offsetTop, view.clientHeight, first, first + shown, overscan / 3)) redraw()
  }, [heights])

  useLayoutEffect(settle)
  useEffect(() => {
    const observer = new ResizeObserver(settle)
    if (box.current) observer.observe(box.current)
    if (rows.current) observer.observe(rows.current)
    return () => { observer.disconnect() }
  }, [settle])

  const scrolled = useCallback(() => {
    const [view, list] = [box.current, rows.current]
    if (!view || !list) return
    const top = view.scrollTop
    const end = view.scrollHeight - top - view.clientHeight
    const following = end < atEnd || (place.current.following && top >= lastTop.current)
    lastTop.current = top
    const first = heights.find(top - list.offsetTop)
    if (following !== place.current.following) onFollow(following)
    place.current = { following, key: heights.keyAt(first) ?? 0, delta: top - list.offsetTop - heights.offset(first) }
    if (top < nearTop) onTop()
    const from = Number((list.firstElementChild as HTMLElement | null)?.dataset.index ?? 0)
    if (!covers(heights, top - list.offsetTop, view.clientHeight, from, from + list.children.length, overscan / 3)) redraw()
  }, [heights, onFollow, onTop])

  useEffect(() => {
    const view = box.current
    view?.addEventListener('scroll', scrolled, { passive: true })
    return () => { view?.removeEventListener('scroll', scrolled) }
  }, [scrolled])

  const toEnd = useCallback(() => {
    if (!place.current.following) onFollow(true)
    place.current = { ...place.current, following: true }
    redraw()
  }, [onFollow])

  const toKey = useCallback((key: number) => {
    const view = box.current
    if (!view || heights.count === 0) return
    const i = heights.indexOf(key)
    const y = heights.offset(i) + (rows.current?.offsetTop ?? 0) - view.scrollTop
    if (y >= 0 && y + estimate <= view.clientHeight) return
    if (place.current.following) onFollow(false)
    place.current = { following: false, key: heights.keyAt(i) ?? 0, delta: -Math.floor(view.clientHeight / 3) }
    redraw()
  }, [heights, onFollow])

  return { box, rows, start, end, toEnd, toKey }
}

function windowOf(heights: Heights, place: Place, view: number): { start: number; end: number } {
  if (heights.count === 0) return { start: 0, end: 0 }
  const top = place.following ? heights.total - view : heights.offset(heights.indexOf(place.key)) + place.delta
  return { start: heights.find(top - overscan), end: heights.find(top + view + overscan) + 1 }
}

function covers(heights: Heights, top: number, view: number, start: number, end: number, margin: number): boolean {
  if (heights.count === 0) return true
  return heights.find(top - margin) >= start && heights.find(top + view + margin) < end
}

function measure(list: HTMLElement, heights: Heights): void {
  for (const child of list.children) {
    heights.set(Number((child as HTMLElement).dataset.index), child.getBoundingClientRect().height)
  }
}
