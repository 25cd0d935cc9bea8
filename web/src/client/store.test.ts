import { expect, it } from 'vitest'
import { webStore } from './store'

class FakeStorage {
  values = new Map<string, string>()
  room = Infinity
  get length() { return this.values.size }
  key(i: number) { return [...this.values.keys()][i] ?? null }
  getItem(key: string) { return this.values.get(key) ?? null }
  setItem(key: string, value: string) {
    if (value.length > this.room) throw new DOMException('full', 'QuotaExceededError')
    this.values.set(key, value)
  }
  removeItem(key: string) { this.values.delete(key) }
}

function setup() {
  const storage = new FakeStorage()
  return { storage, store: webStore(() => storage as unknown as Storage) }
}

it('keeps what it is told, and forgets it again', () => {
  const { storage, store } = setup()
  store.set('a', '1')
  expect([storage.getItem('a'), store.get('a'), store.keys(), store.lasting()]).toEqual(['1', '1', ['a'], true])
  store.remove('a')
  expect([store.get('a'), store.keys()]).toEqual([null, []])
})

it('works on in memory where storage is forbidden', () => {
  const store = webStore(() => { throw new DOMException('no', 'SecurityError') })
  expect([store.get('a'), store.keys()]).toEqual([null, []])
  store.set('a', '1')
  expect([store.get('a'), store.keys(), store.lasting()]).toEqual(['1', ['a'], false])
  store.remove('a')
  expect(store.get('a')).toBeNull()
})

it('shows the newer value while storage is full, and stores again once there is room', () => {
  const { storage, store } = setup()
  store.set('a', 'old')
  storage.room = 3
  store.set('a', 'longer')
  expect([storage.getItem('a'), store.get('a'), store.keys(), store.lasting()]).toEqual(['old', 'longer', ['a'], false])
  storage.room = Infinity
  store.set('a', 'longer still')
  expect([storage.getItem('a'), store.get('a'), store.lasting()]).toEqual(['longer still', 'longer still', true])
})
