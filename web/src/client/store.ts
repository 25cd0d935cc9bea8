/** A small text store that may forget: storage can be full or forbidden. */
export interface Store {
  get(key: string): string | null
  set(key: string, value: string): void
  remove(key: string): void
  keys(): string[]
  /** Whether everything set so far outlives the page. */
  lasting(): boolean
}

/** Keeps values in memory; the fall-back when the browser keeps nothing. */
export function memoryStore(): Store {
  const values = new Map<string, string>()
  return {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => void values.set(key, value),
    remove: (key) => void values.delete(key),
    keys: () => [...values.keys()],
    lasting: () => false,
  }
}

/**
 * Uses the storage that open returns, and memory for whatever it refuses. open
 * is a function because the mere access to window.localStorage may throw.
 */
export function webStore(open: () => Storage): Store {
  const memory = memoryStore()
  const attempt = <T>(work: (storage: Storage) => T, otherwise: T): T => {
    try {
      return work(open())
    } catch {
      return otherwise
    }
  }
  return {
    get: (key) => memory.get(key) ?? attempt((s) => s.getItem(key), null),
    set: (key, value) => {
      const kept = attempt((s) => {
        s.setItem(key, value)
        return true
      }, false)
      if (kept) memory.remove(key)
      else memory.set(key, value)
    },
    remove: (key) => {
      memory.remove(key)
      attempt((s) => {
        s.removeItem(key)
      }, undefined)
    },
    keys: () => {
      const stored = attempt((s) => Array.from({ length: s.length }, (_, i) => s.key(i)), [])
      return [...new Set([...memory.keys(), ...stored.filter((key) => key !== null)])]
    },
    lasting: () => memory.keys().length === 0,
  }
}
