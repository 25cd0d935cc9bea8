/** The name under which the page keeps the admin token, for this tab only. */
export const adminKey = 'partyline.admin'

/** The admin token of this tab, null if there is none. */
export function adminToken(): string | null {
  try {
    return window.sessionStorage.getItem(adminKey)
  } catch {
    return null // a browser that keeps nothing
  }
}
