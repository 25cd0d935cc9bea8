/** A text with a selection. */
export interface Selected { text: string; start: number; end: number }

/** Puts mark around what is selected, or takes it away. */
export function toggleMark({ text, start, end }: Selected, mark: string): Selected {
  const [before, inside, after] = [text.slice(0, start), text.slice(start, end), text.slice(end)]
  if (before.endsWith(mark) && after.startsWith(mark)) {
    return { text: before.slice(0, -mark.length) + inside + after.slice(mark.length), start: start - mark.length, end: end - mark.length }
  }
  return { text: before + mark + inside + mark + after, start: start + mark.length, end: end + mark.length }
}

/** Replaces what is selected. */
export function insert({ text, start, end }: Selected, words: string): Selected {
  const at = start + words.length
  return { text: text.slice(0, start) + words + text.slice(end), start: at, end: at }
}
