/** The names under which this tab keeps what may not outlive it. */
export const secretKeys = { admin: 'partyline.admin', token: 'partyline.token' } as const

/**
 * Moves the tokens of #admin=TOKEN and #token=TOKEN to the session storage and
 * clears the fragment, so that they are neither bookmarked nor shared.
 */
export function takeSecrets(win: Pick<Window, 'location' | 'history' | 'sessionStorage'>): void {
  const fragment = new URLSearchParams(win.location.hash.slice(1))
  const given = Object.entries(secretKeys).flatMap(([name, key]) => {
    const value = fragment.get(name)
    return value === null ? [] : [[key, value] as const]
  })
  if (given.length === 0) return
  win.history.replaceState(null, '', win.location.pathname + win.location.search)
  try {
    given.forEach(([key, value]) => { win.sessionStorage.setItem(key, value) })
  } catch {
    // A browser that keeps nothing: the page works, as somebody without a token.
  }
}

/** The token of jwt mode, if this tab has one. */
export function loadToken(): string | null {
  try {
    return window.sessionStorage.getItem(secretKeys.token)
  } catch {
    return null
  }
}

/** Keeps a token of jwt mode for this tab; false if the browser keeps nothing. */
export function keepToken(token: string): boolean {
  try {
    window.sessionStorage.setItem(secretKeys.token, token)
    return true
  } catch {
    return false
  }
}

/** The admin token of this tab, null if there is none. */
export function adminToken(): string | null {
  try {
    return window.sessionStorage.getItem(secretKeys.admin)
  } catch {
    return null
  }
}
