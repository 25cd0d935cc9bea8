import type { Why } from '../client/codes'

/** Why there is no connection, to follow a colon. */
const why: Record<Why, string> = {
  starting: 'just starting',
  closed: 'the server said goodbye',
  drain: 'the server closed for an update',
  protocol: 'the server and this page do not understand each other',
  unsupported: 'the server refused the kind of data',
  cut: 'something between here and the server cut the connection',
  encoding: 'the server refused the encoding',
  refused: 'the server refused this connection',
  too_big: 'a message was too big for the server',
  server_error: 'the server had an internal error',
  busy: 'the server is busy',
  token_expired: 'the sign-in has expired',
  kicked: 'you were removed by a moderator',
  slow: 'this page read too slowly',
  silent: 'the connection went silent',
  flood: 'too many messages in a short time',
  unknown_code: 'the connection was closed for a reason that this page does not know',
  unreachable: 'no connection could be made',
  no_answer: 'the connection opens, but the chat does not answer',
  nonsense: 'what answers there is not a chat server that this page knows',
  policy: 'a security policy of this page forbids the connection',
  bad_address: 'the address cannot be used',
  unconfirmed: 'the server did not confirm a message',
  by_hand: 'disconnected by hand',
}

/** The codes of the protocol, for people. */
const errors: Record<string, string> = {
  bad_text: 'the server does not take this text',
  bad_room: 'this is no name for a room',
  bad_frame: 'the server did not understand it',
  not_found: 'it does not exist any more',
  not_yours: 'only its author may do that',
  not_joined: 'this room is not open',
  forbidden: 'you may not do that',
  unauthenticated: 'you are not signed in',
  rate_limited: 'that was too much at once',
  too_large: 'it is too large',
  overloaded: 'the server is overloaded',
  draining: 'the server closes for an update',
  storage_unavailable: 'the server cannot store anything right now',
  internal: 'the server had an internal error',
  name_changed: 'it was written under another name',
  log_changed: 'the server was restored, and its target may be another message now',
}

/** Every text of the page, in one place, to be translated. */
export const texts = {
  product: 'Partyline',
  why,
  error: (code: string): string => (Object.hasOwn(errors, code) ? (errors[code] ?? code) : `the server says “${code.slice(0, 40)}”`),
  close: 'Close', cancel: 'Cancel', retry: 'Try again', discard: 'Discard', dismiss: 'Dismiss', menu: 'Rooms and pages',

  connection: {
    label: 'Connection', online: 'Connected', onlineIn: (ms: number) => `Connected · ${String(ms)} ms`,
    connecting: 'Connecting…', reconnecting: 'Reconnecting', stopped: 'Not connected',
    now: 'Connect now', log: 'The last changes of the connection', server: (version: string, gateway: string) => `Server ${version} on ${gateway}`,
    reconnectsIn: (seconds: number) => `Reconnecting in ${String(seconds)} s`,
    details: 'See why',
  },
  banner: {
    offline: 'The network is offline. What you write is kept and sent later.',
    waiting: (seconds: number, reason: string) => seconds > 0 ? `Reconnecting in ${String(seconds)} s: ${reason}.` : `Reconnecting: ${reason}.`,
    reconnecting: (reason: string) => `Reconnecting: ${reason}.`,
    connecting: 'Still connecting.',
    stopped: (reason: string) => `Not connected: ${reason}.`,
    serverAnswers: 'The server itself answers, so it is the chat connection that does not come through.',
    serverSilent: 'The server does not answer at all.',
    serverDrains: 'The server is closing for an update.',
    kept: 'Messages wait here until then.',
    storage: 'This browser keeps nothing: what is not sent yet, and your name, are lost when the page closes.',
    clock: (offset: string) => `This device’s clock is ${offset}. Times are shown by the server’s clock.`,
    ahead: (time: string) => `${time} ahead`, behind: (time: string) => `${time} behind`,
    notice: (words: string) => `The last request failed: ${words}.`,
    room: (room: string, words: string) => `#${room} could not be opened: ${words}.`,
  },
  reports: {
    title: 'Reports of failed connections',
    question: (n: number) => `${n === 1 ? 'A connection' : `${String(n)} connections`} failed lately. May this page tell the operators of this server how? No names and no messages are sent.`,
    yes: 'Report them', no: 'Never',
  },
  signIn: {
    title: 'Sign in', field: 'Token', send: 'Use it',
    wanted: 'This server lets people in with a token. Open the link that you were given, or paste the token here.',
    refused: 'This server did not let you in with the token of this tab: it may have expired. Paste a new one here.',
  },
  diagnostics: { run: 'Run Connection Diagnostics', title: 'Connection diagnostics', short: 'Diagnostics' },

  rooms: {
    title: 'Rooms', more: 'Other rooms', none: 'Rooms that you open appear here.', unread: (n: number) => (n > 99 ? '99+' : String(n)),
    unreadOf: (room: string, n: number) => (n === 0 ? `#${room}` : `#${room}, ${n > 99 ? 'more than 99' : String(n)} unread`),
    create: 'New room', name: 'Name of the room', open: 'Open', leave: (room: string) => `Leave #${room}`,
    rule: 'Small letters a–z, digits, - and _, up to 64; a letter or digit first.',
  },
  pages: { title: 'Pages', chat: 'Chat', status: 'Server status', missing: 'There is no such page.', back: 'Back to the chat', loading: 'Loading…', failed: 'This part of the page could not be loaded.' },
  people: {
    title: 'People', count: (n: number) => `People (${String(n)})`, you: 'you', unnamed: (n: number) => `${String(n)} people are here. A room this large does not list them.`,
    alone: 'Nobody else is here. Open this page in another window, or send somebody the address.',
  },
  name: { label: 'Your name', rule: '1 to 32 visible characters' },
  theme: { label: 'Theme', system: 'System', light: 'Light', dark: 'Dark' },

  messages: {
    label: 'Messages', region: (room: string) => `Room ${room}`, empty: 'Nothing has been said here yet.', emptyHint: 'Write the first message below. Everybody in the room sees it at once, and it is kept.',
    loading: 'Opening the room…', older: 'Loading older messages…', start: (room: string) => `This is the beginning of #${room}.`,
    fresh: 'New', newest: 'Newest messages', newCount: (n: number) => (n === 1 ? '1 new message' : `${n > 99 ? '99+' : String(n)} new messages`),
    deleted: 'deleted', edited: 'edited', editedAt: (when: string) => `Edited ${when}`, sending: 'sending…', waits: 'waits for the connection',
    sent: 'sent', saving: 'saving…', deleting: 'deleting…', notSent: (words: string) => `Not sent: ${words}.`, notSaved: (words: string) => `Not saved: ${words}.`,
    showAll: 'Show all', showLess: 'Show less', unknownQuote: 'An older message', noName: 'nobody',
    replyTo: (name: string) => `Reply to ${name}`, goTo: (name: string) => `Go to the message of ${name}`,
    from: (name: string, text: string) => `${name}: ${text}`, yesterday: 'Yesterday', today: 'Today',
    link: (host: string) => ` (${host})`,
  },
  actions: {
    label: 'Message actions', react: 'React', reply: 'Reply', edit: 'Edit', remove: 'Delete', removeSure: 'Delete for everybody',
    save: 'Save', editLabel: 'Edit message', pick: 'Choose a reaction', withEmoji: (emoji: string) => `React with ${emoji}`,
    reaction: (emoji: string, n: number) => `${emoji}, ${String(n)}`, copy: 'Copy',
  },
  composer: {
    label: 'Message', placeholder: (room: string) => `Write to #${room}`, send: 'Send', emoji: 'Insert an emoji', replying: (name: string) => `Replying to ${name}`,
    stopReply: 'Do not reply', tooLong: (n: number) => `${String(n)} characters too long`, left: (n: number) => `${String(n)} left`,
    full: 'Too many messages wait to be sent.', control: 'It contains a character that cannot be sent.',
  },
  typing: (names: readonly string[]): string => {
    const [a = '', b = ''] = names
    if (names.length === 0) return ''
    if (names.length === 1) return `${a} is typing…`
    return names.length === 2 ? `${a} and ${b} are typing…` : 'Several people are typing…'
  },
  status: {
    label: 'Server status', title: 'Server status', asking: 'asking…', none: 'no answer', line: (status: string, version: string) => `Server ${status} · ${version}`,
    intro: 'What the server says about itself at /chat/status/, asked again every few seconds.',
    noneHint: 'The server does not answer, or something else answers in its place. Connection diagnostics can tell which.',
    state: 'State', version: 'Version', gateway: 'Gateway', uptime: 'Up for', connections: 'Connections', draining: 'Closing', storage: 'Storage', durability: 'Durability',
    lag: 'Read models behind', analytics: 'Statistics', time: 'Server’s time', yes: 'yes', no: 'no', addresses: 'Chat addresses', ok: 'works', bad: 'does not work', seconds: (n: number) => `${String(n)} s`, events: (n: number) => `${String(n)} events`,
  },
  statistics: { title: 'Statistics' },
  attempts: { title: 'Connection attempts' },
  sql: { title: 'SQL' },
  history: { title: 'The last changes of the connection', none: 'Nothing has happened yet.', when: 'Time', what: 'State', trace: 'Trace' },
  keys: {
    title: 'Keyboard', open: 'Keyboard shortcuts', list: [
      ['Ctrl K', 'Go to a room'], ['Alt ↑ / Alt ↓', 'Previous or next room'], ['↑', 'In an empty message: edit your last one'],
      ['Shift Tab', 'From the message to the list above'], ['↑ / ↓', 'In the list: choose a message'], ['R · E · +', 'Reply, edit, react'], ['Del', 'Delete the chosen message'],
      ['Esc', 'Cancel, or go to the newest messages'], ['Ctrl B / I / E', 'Bold, italics, code'], ['Shift Enter', 'New line'], ['Ctrl /', 'This list'],
    ] as readonly (readonly [string, string])[],
  },
}
