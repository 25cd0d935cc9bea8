import type { Env } from '../../client/env'
import type { Store } from '../../client/store'

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
  // Invisible and reversing characters; \p{C} includes lone surrogates.
  return length === 0 || length > nameLimit || /[\p{Cc}\p{Cf}\p{Cs}]/u.test(name) ? null : name
}
