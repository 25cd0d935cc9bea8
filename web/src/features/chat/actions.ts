import type { Message } from '../../client/frames'

/** What can be done with a message; the same object for the life of the list. */
export interface RowActions {
  react: (message: Message, emoji: string, on: boolean) => void
  reply: (message: Message) => void
  edit: (message: Message) => void
  save: (seq: number, text: string) => void
  cancel: () => void
  remove: (message: Message) => void
  goTo: (seq: number) => void
  retry: (id: string) => void
  discard: (id: string) => void
}
