import type { Env } from './env'
import type { Store } from './store'

const clientKey = 'partyline.client'

/**
 * Returns the key of this installation, made on the first call. It separates
 * people who chose the same name and is a credential: never log or share it.
 */
export function installationKey(store: Store, env: Pick<Env, 'randomKey'>): string {
  const known = store.get(clientKey)
  if (known !== null && /^[A-Za-z0-9_-]{16,64}$/.test(known)) return known
  const made = env.randomKey(32)
  store.set(clientKey, made)
  return made
}
