import type { Store } from './store'

const key = 'partyline.read'
const most = 500 // rooms that are remembered

/** How far every room has been read. Markers only go forward. */
export class Reads {
  private readonly store: Store
  private epoch = ''
  private seqs = new Map<string, number>()

  constructor(store: Store) {
    this.store = store
    this.load()
  }

  /** Markers of another life of the log mean nothing. */
  begin(epoch: string): void {
    if (epoch === this.epoch) return
    this.epoch = epoch
    this.seqs.clear()
  }

  get(room: string): number | undefined {
    return this.seqs.get(room)
  }

  /** Returns whether the marker moved. */
  advance(room: string, seq: number): boolean {
    if (seq <= (this.seqs.get(room) ?? -1)) return false
    this.seqs.delete(room) // the latest come last, and the first are forgotten
    this.seqs.set(room, seq)
    return true
  }

  save(): void {
    const rooms = Object.fromEntries([...this.seqs].slice(-most))
    this.store.set(key, JSON.stringify({ epoch: this.epoch, rooms }))
  }

  /** Takes what another tab stored. */
  load(): void {
    try {
      const value = JSON.parse(this.store.get(key) ?? 'null') as { epoch?: unknown; rooms?: unknown } | null
      if (typeof value?.epoch !== 'string' || typeof value.rooms !== 'object' || value.rooms === null) return
      if (this.epoch === '') this.epoch = value.epoch
      if (value.epoch !== this.epoch) return
      for (const [room, seq] of Object.entries(value.rooms)) if (typeof seq === 'number') this.advance(room, seq)
    } catch {
      // Not ours, or broken: everything counts as unread from here on.
    }
  }
}
