import { useCallback, useSyncExternalStore } from 'react'

/** Below these widths people, and then rooms, become drawers. */
export const narrow = '(max-width: 1023.5px)'
export const phone = '(max-width: 719.5px)'

/** Whether a media query holds. */
export function useMedia(query: string): boolean {
  const subscribe = useCallback((changed: () => void) => {
    const media = window.matchMedia(query)
    media.addEventListener('change', changed)
    return () => { media.removeEventListener('change', changed) }
  }, [query])
  return useSyncExternalStore(subscribe, () => window.matchMedia(query).matches)
}

/** Whether the browser believes that there is a network. */
export function useOnline(): boolean {
  return useSyncExternalStore(subscribeOnline, () => navigator.onLine)
}

function subscribeOnline(changed: () => void): () => void {
  window.addEventListener('online', changed)
  window.addEventListener('offline', changed)
  return () => {
    window.removeEventListener('online', changed)
    window.removeEventListener('offline', changed)
  }
}
