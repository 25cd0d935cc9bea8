import { adminKey } from '../shared/adminToken'

/**
 * Moves the token of #admin=TOKEN to the session storage and clears the
 * fragment, so that it is neither bookmarked nor shared.
 */
export function takeAdminToken(win: Pick<Window, 'location' | 'history' | 'sessionStorage'>): void {
  const token = new URLSearchParams(win.location.hash.slice(1)).get('admin')
  if (token === null) return
  win.history.replaceState(null, '', win.location.pathname + win.location.search)
  try {
    win.sessionStorage.setItem(adminKey, token)
  } catch {
    // A browser that keeps nothing: the page works, without administration.
  }
}
