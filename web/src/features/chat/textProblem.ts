import { codePoints } from '../../shared/format'
import { texts } from '../../shared/texts'

/** The longest message, in code points; protocol.md. */
export const textLimit = 4_000

/** Why a text cannot be sent; empty if it can. */
export function textProblem(text: string): string {
  const length = text.length > textLimit ? codePoints(text) : 0
  if (length > textLimit) return texts.composer.tooLong(length - textLimit)
  return /[^\P{Cc}\n\t\r]|\p{Cs}/u.test(text) ? texts.composer.control : ''
}
