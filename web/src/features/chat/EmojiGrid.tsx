import styles from './EmojiGrid.module.css'

const emojis = ['👍', '❤️', '😂', '🎉', '🙏', '👀', '✅', '🔥', '😮', '😢', '🤔', '👏', '🚀', '💡', '☕', '👋']

/** A small choice of emoji. */
export function EmojiGrid({ label, onPick }: { label: (emoji: string) => string; onPick: (emoji: string) => void }) {
  return (
    <div className={styles.grid}>
      {emojis.map((emoji) => (
        <button key={emoji} type="button" className="quiet" aria-label={label(emoji)} onClick={() => { onPick(emoji) }}>{emoji}</button>
      ))}
    </div>
  )
}
