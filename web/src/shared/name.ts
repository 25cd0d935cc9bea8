import type { Env } from '../client/env'
import type { Store } from '../client/store'

const nameKey = 'partyline.name'

/** The longest name, in code points; protocol.md. */
export const nameLimit = 32

/** The name used last, or a random one. */
export function loadName(store: Store, env: Pick<Env, 'random'>): string {
  const known = cleanName(store.get(nameKey) ?? '')
  if (known !== null) return known
  const made = `guest-${Math.floor(env.random() * 36 ** 6).toString(36).padStart(6, '0')}`
  store.set(nameKey, made)
  return made
}

export function saveName(store: Store, name: string): void {
  store.set(nameKey, name)
}

/** Returns the name as the server takes it, or null if it would not. */
export function cleanName(typed: string): string | null {
  const name = typed.normalize('NFC').trim()
  const length = Array.from(name).length
  if (length === 0 || length > nameLimit) return null
  // Joiners belong into emoji; every other invisible or reversing character deceives.
  return /[\p{Cc}\p{Cs}]|(?!\u200d)\p{Cf}|(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d/u.test(name) ? null : name
}
