import { useEffect, useRef, useState } from 'react'
import type { Message } from '../../client/frames'
import { shownName } from '../../shared/format'
import { texts } from '../../shared/texts'
import { excerpt } from './rows'

/** Reads new messages of others out, for people who do not see them. */
export function Announcer({ messages, uid }: { messages: readonly Message[]; uid: string }) {
  const [words, setWords] = useState('')
  const last = messages.at(-1)
  const known = useRef(last?.seq ?? 0)
  useEffect(() => {
    if (!last || last.seq <= known.current) return
    const first = known.current === 0 // the room was opened just now
    known.current = last.seq
    if (!first && last.uid !== uid) setWords(texts.messages.from(shownName(last.user), excerpt(last.text)))
  }, [last, uid])
  return <div className="unseen" role="status" aria-label={texts.messages.fresh}>{words}</div>
}
