/** A message with its edits, deletion and reactions applied. */
export interface Message {
  seq: number
  ts: string
  id: string
  uid: string
  user: string
  text?: string
  edited?: string
  deleted?: boolean
  reply_to?: number
  meta?: Record<string, unknown>
  reactions?: Record<string, number>
  /** The uids that are known one by one; a page of the server names at most 50. */
  reacted?: Record<string, string[]>
}

/** What a stored event says; kinds unknown here are kept as they are. */
export interface RoomEvent {
  kind: string
  id: string
  uid: string
  user: string
  text: string
  topic?: string
  reply_to?: number
  meta?: Record<string, unknown>
  target?: number
  emoji?: string
  on?: boolean
}

/** What the server lets a client do; 0 switches a limit off. */
export interface Limits { max_frame_bytes: number; max_text: number; sends_per_s: number; rooms: number }

export interface Person { uid: string; user: string }

export interface Welcome {
  type: 'welcome'; conn: string; user: string; uid: string; epoch: string; heartbeat_s: number
  /** RFC 3339; empty if the server did not say. */
  time: string
  version: string; gateway: string; report_key: string; limits: Limits
}
export interface Joined {
  type: 'joined'; room: string; id?: string; epoch: string; last_seq: number; members: number
  messages?: Message[]; more: boolean; reset: boolean
}
export interface Left { type: 'left'; room: string; id?: string }
export interface EventFrame { type: 'event'; room: string; seq: number; prev: number; ts: string; event: RoomEvent }
export interface Ack { type: 'ack'; id: string; seq: number; ts: string }
export interface History { type: 'history'; id: string; room: string; messages: Message[]; more: boolean }
export interface Presence { type: 'presence'; room: string; members: number; join: Person[]; leave: Person[] }
export interface Typing { type: 'typing'; room: string; uid: string; user: string; on: boolean }
export interface Receipt { type: 'receipt'; room: string; seq: number }
/** time is RFC 3339; empty if the server did not say. */
export interface Pong { type: 'pong'; t: number; time: string }
export interface ErrorFrame { type: 'error'; code: string; message: string; id?: string; room?: string; retry_after_ms?: number }
export interface Bye { type: 'bye'; reason: string; reconnect_after_ms: number }

export type ServerFrame =
  | Welcome | Joined | Left | EventFrame | Ack | History | Presence | Typing | Receipt | Pong | ErrorFrame | Bye
