import { memo } from 'react'
import { shownName } from '../format'
import styles from './Avatar.module.css'

// By what a reader sees as one character: half an emoji would be nonsense.
const segments = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** The first letter of a name. */
export const Avatar = memo(function Avatar({ name, own, small = false }: { name: string; own: boolean; small?: boolean }) {
  const first = [...segments.segment(shownName(name))][0]?.segment ?? '?'
  return <span className={styles.avatar} data-own={own} data-small={small} aria-hidden="true">{first.length > 12 ? '?' : first.toUpperCase()}</span>
})
