import { expect, it } from 'vitest'
import { takeSecrets } from './secrets'

function page(hash: string, kept = new Map<string, string>()) {
  const shown: string[] = []
  const win = {
    location: { hash, pathname: '/', search: '?a=1' },
    history: { replaceState: (_state: unknown, _title: string, url: string) => { shown.push(url) } },
    sessionStorage: { setItem: (key: string, value: string) => { kept.set(key, value) } },
  } as unknown as Parameters<typeof takeSecrets>[0]
  return { win, shown, kept }
}

it('moves tokens out of the address', () => {
  const { win, shown, kept } = page('#token=a.b.c&admin=secret')
  takeSecrets(win)
  expect(Object.fromEntries(kept)).toEqual({ 'partyline.token': 'a.b.c', 'partyline.admin': 'secret' })
  expect(shown).toEqual(['/?a=1'])
})

it('leaves other addresses alone', () => {
  const { win, shown, kept } = page('#/room/lobby')
  takeSecrets(win)
  expect([kept.size, shown]).toEqual([0, []])
})

it('clears the address even where nothing can be kept', () => {
  const { win, shown } = page('#token=a.b.c')
  Object.assign(win.sessionStorage, { setItem: () => { throw new Error('forbidden') } })
  takeSecrets(win)
  expect(shown).toEqual(['/?a=1'])
})
