/** A piece of a message. There is no way to say HTML in it. */
export type Piece =
  | string
  | { kind: 'strong' | 'em'; children: Piece[] }
  | { kind: 'code' | 'block'; text: string }
  | { kind: 'link'; href: string; label: string; host: string }

const deepest = 4
const special = /[`*_[]|https?:\/\//g
const labelled = /\[([^[\]\n]{1,300})\]\(((?:https?:\/\/|mailto:)[^\s()<>]{1,2000})\)/y
const bare = /https?:\/\/[^\s<>"`]{1,2000}/y
const fence = /^```[^\n`]*\n([\s\S]*?)(?:\n```[ \t]*$|\n?```[ \t]*\n)/m

/**
 * Reads the small Markdown of a message: **bold**, *italics*, `code`, blocks
 * fenced by ```, [links](https://…) and bare addresses. Whatever is not closed
 * is plain text. The work is bounded by the length of the text.
 */
export function parseMarkdown(text: string): Piece[] {
  const pieces: Piece[] = []
  let rest = text
  for (let found = fence.exec(rest); found; found = fence.exec(rest)) {
    pieces.push(...parseInline(rest.slice(0, found.index).replace(/\n$/, ''), 0))
    pieces.push({ kind: 'block', text: found[1] ?? '' })
    rest = rest.slice(found.index + found[0].length)
  }
  if (rest !== '') pieces.push(...parseInline(rest, 0))
  return pieces
}

function parseInline(text: string, depth: number): Piece[] {
  const pieces: Piece[] = []
  const hopeless = new Set<string>() // marks that are not closed in the rest
  let done = 0
  let at = 0
  for (;;) {
    special.lastIndex = at
    const found = special.exec(text)
    if (!found) break
    const read = readPiece(text, found.index, found[0], depth, hopeless)
    if (!read) {
      at = found.index + found[0].length
      continue
    }
    if (found.index > done) pieces.push(text.slice(done, found.index))
    pieces.push(read.piece)
    done = at = read.end
  }
  if (done < text.length) pieces.push(text.slice(done))
  return pieces
}

interface Read { piece: Piece; end: number }

function readPiece(text: string, at: number, mark: string, depth: number, hopeless: Set<string>): Read | null {
  switch (mark) {
    case '`': return readCode(text, at, hopeless)
    case '*':
    case '_': return depth < deepest ? readEmphasis(text, at, mark, depth, hopeless) : null
    case '[': return readLabelled(text, at)
    default: return readBare(text, at)
  }
}

function readCode(text: string, at: number, hopeless: Set<string>): Read | null {
  let length = 1
  while (text[at + length] === '`') length++
  const ticks = '`'.repeat(length)
  const end = hopeless.has(ticks) ? -1 : text.indexOf(ticks, at + length)
  if (end < 0) {
    hopeless.add(ticks)
    return null
  }
  return { piece: { kind: 'code', text: text.slice(at + length, end) }, end: end + length }
}

function readEmphasis(text: string, at: number, mark: string, depth: number, hopeless: Set<string>): Read | null {
  const close = text[at + 1] === mark ? mark + mark : mark
  const from = at + close.length
  const before = text[at - 1] ?? ' '
  // snake_case and 2*3*4 are no emphasis.
  if (hopeless.has(close) || /\s/.test(text[from] ?? ' ') || /[\p{L}\p{N}]/u.test(before)) return null
  for (let end = text.indexOf(close, from + 1); end > 0; end = text.indexOf(close, end + 1)) {
    const after = text[end + close.length] ?? ' '
    if (/\s/.test(text[end - 1] ?? ' ') || /[\p{L}\p{N}]/u.test(after)) continue
    if (close.length === 1 && (after === mark || text[end - 1] === mark)) continue
    const children = parseInline(text.slice(from, end), depth + 1)
    return { piece: { kind: close.length === 2 ? 'strong' : 'em', children }, end: end + close.length }
  }
  hopeless.add(close)
  return null
}

function readLabelled(text: string, at: number): Read | null {
  labelled.lastIndex = at
  const found = labelled.exec(text)
  const link = found && makeLink(found[2] ?? '', found[1] ?? '')
  return link ? { piece: link, end: labelled.lastIndex } : null
}

function readBare(text: string, at: number): Read | null {
  bare.lastIndex = at
  const found = bare.exec(text)?.[0].replace(/[)\]}.,;:!?'*_~]+$/, '')
  const link = found === undefined ? null : makeLink(found, found)
  return link && found !== undefined ? { piece: link, end: at + found.length } : null
}

/**
 * Only addresses that cannot run anything. An address with letters beyond ASCII
 * is shown as browsers go there (xn--…): look-alikes are seen.
 */
function makeLink(address: string, label: string): Piece | null {
  let url: URL
  try {
    url = new URL(address)
  } catch {
    return null
  }
  if (!['http:', 'https:', 'mailto:'].includes(url.protocol)) return null
  if (url.username !== '' || url.password !== '') return null // made to mislead
  const plain = /^[\x21-\x7e]*$/.test(address)
  const shown = label === address ? (plain ? address : url.href) : label
  return { kind: 'link', href: url.href, label: shown, host: label === address ? '' : url.host || url.pathname }
}
