import type { Message } from '../../client/frames'
import { texts } from '../../shared/texts'
import styles from './Reactions.module.css'

const shownMost = 20

/** How often which emoji was chosen; a click joins or takes it back. */
export function Reactions({ message, uid, onReact }: {
  message: Message; uid: string; onReact: (message: Message, emoji: string, on: boolean) => void
}) {
  const counts = Object.entries(message.reactions ?? {}).slice(0, shownMost)
  if (counts.length === 0) return null
  const named = new Map(Object.entries(message.reacted ?? {}))
  return (
    <div className={styles.reactions}>
      {counts.map(([emoji, count]) => {
        const own = named.get(emoji)?.includes(uid) === true
        return (
          <button key={emoji} type="button" aria-pressed={own} aria-label={texts.actions.reaction(emoji, count)}
            onClick={() => { onReact(message, emoji, !own) }}>
            <span>{emoji}</span> {count}
          </button>
        )
      })}
    </div>
  )
}
