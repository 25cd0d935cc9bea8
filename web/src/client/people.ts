import type { Person, Presence, Typing } from './frames'

/** How long "is typing" lasts without another word of it, in milliseconds. */
export const typingLasts = 6_000

/** Who is in a room, and who types. */
export class People {
  members = 0
  private known = new Map<string, string>() // uid → name
  private typists = new Map<string, { user: string; until: number }>()
  private stale = false
  private list: readonly Person[] | null = []

  /** Another connection: the next presence frame lists everybody anew. */
  begin(members: number): void {
    this.members = members
    this.stale = true
  }

  presence(frame: Presence): void {
    this.members = frame.members
    if (this.stale && (frame.join.length > 0 || frame.members === 0)) {
      this.known.clear()
      this.stale = false
    }
    frame.join.forEach(({ uid, user }) => { this.known.set(uid, user) })
    frame.leave.forEach(({ uid }) => {
      this.known.delete(uid)
      this.typists.delete(uid)
    })
    this.list = null
  }

  typing({ uid, user, on }: Typing, now: number): void {
    if (on) this.typists.set(uid, { user, until: now + typingLasts })
    else this.typists.delete(uid)
  }

  /** A message came: its author has finished. */
  said(uid: string): void {
    this.typists.delete(uid)
  }

  /** Everybody known by name, in order of the name; large rooms only count. */
  all(): readonly Person[] {
    this.list ??= [...this.known].map(([uid, user]) => ({ uid, user }))
      .sort((a, b) => a.user.localeCompare(b.user) || (a.uid < b.uid ? -1 : 1))
    return this.list
  }

  /** The names of those who type now. */
  typingNow(now: number): string[] {
    return [...this.typists.values()].filter(({ until }) => until > now).map(({ user }) => user)
  }
}
