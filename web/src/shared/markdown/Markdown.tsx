import { memo, type ReactNode } from 'react'
import { texts } from '../texts'
import styles from './Markdown.module.css'
import { parseMarkdown, type Piece } from './parse'

/** The text of a message as an element tree. */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return <>{show(parseMarkdown(text))}</>
})

const show = (pieces: readonly Piece[]): ReactNode[] => pieces.map((piece, i) => <Shown key={i} piece={piece} />)

function Shown({ piece }: { piece: Piece }): ReactNode {
  if (typeof piece === 'string') return piece
  switch (piece.kind) {
    case 'strong': return <strong>{show(piece.children)}</strong>
    case 'em': return <em>{show(piece.children)}</em>
    case 'code': return <code className={styles.code}>{piece.text}</code>
    case 'block': return <code className={styles.block}>{piece.text}</code>
    case 'link':
      return (
        <>
          <a href={piece.href} target="_blank" rel="noopener noreferrer nofollow ugc" title={piece.href}><bdi>{piece.label}</bdi></a>
          {piece.host !== '' && <span className={styles.host}>{texts.messages.link(piece.host)}</span>}
        </>
      )
  }
}
