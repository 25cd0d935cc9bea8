import { memo, type ReactNode } from 'react'
import type { Message } from '../../client/frames'
import type { Unsent } from '../../client/outbox'
import { clock, dayWords, fullTime, shownName } from '../../shared/format'
import { texts } from '../../shared/texts'
import { Avatar } from '../../shared/ui/Avatar'
import type { RowActions } from './actions'
import { EditBox } from './EditBox'
import { MessageText } from './MessageText'
import { Reactions } from './Reactions'
import styles from './Row.module.css'
import { excerpt, overlay, startsDay, startsGroup, startsNew } from './rows'
import { Toolbar } from './Toolbar'

export interface RowProps {
  index: number
  message: Message
  before: Message | undefined
  quoted: Message | undefined
  changes: readonly Unsent[] | undefined
  uid: string
  line: number | null
  /** The day by the server's clock, see dayOf. */
  today: number
  /** The tab key gets here. */
  active: boolean
  /** The pointer or the focus is here: its tools are shown. */
  shown: boolean
  editing: boolean
  actions: RowActions
}

/** One stored message, with the day or the line of new messages above it. */
export const Row = memo(function Row(props: RowProps) {
  const { index, before, line, today, actions, uid, active, shown } = props
  const { message, open } = overlay(props.message, props.changes, uid)
  const group = startsGroup(message, before)
  const own = message.uid === uid
  const state = open?.failed !== undefined ? 'failed' : open ? 'pending' : 'sent'
  return (
    <div data-index={index} className={styles.row} data-group={group}>
      {startsDay(message, before) && <h2 className={styles.day}>{dayWords(message.ts, today, texts.messages)}</h2>}
      {startsNew(message, before, line) && <div role="separator" aria-label={texts.messages.fresh} className={styles.fresh}>{texts.messages.fresh}</div>}
      <article className={styles.message} data-seq={message.seq} data-state={state} data-own={own} data-active={shown} tabIndex={active ? 0 : -1}>
        <Head message={message} own={own} group={group} />
        {message.reply_to !== undefined && <Quote of={props.quoted} onGo={() => { actions.goTo(message.reply_to ?? 0) }} />}
        <Body {...props} message={message} open={open} />
        {open?.failed !== undefined && <Failed entry={open} actions={actions} />}
        {message.deleted !== true && <Reactions message={message} uid={uid} onReact={actions.react} />}
        {shown && message.deleted !== true && !props.editing && <Toolbar message={message} own={own} actions={actions} />}
      </article>
    </div>
  )
})

function Head({ message, own, group }: { message: Message; own: boolean; group: boolean }) {
  const time = <time dateTime={message.ts} title={fullTime(message.ts)}>{clock(message.ts)}</time>
  if (!group) return <span className={styles.gutter}>{time}</span>
  return (
    <>
      <span className={styles.gutter}><Avatar name={message.user} own={own} /></span>
      <header className={styles.head}>
        <bdi className={styles.author}>{shownName(message.user) || texts.messages.noName}</bdi>
        {time}
      </header>
    </>
  )
}

function Body({ message, open, editing, actions }: RowProps & { open: Unsent | undefined }): ReactNode {
  if (message.deleted === true) return <p className={styles.gone}>{texts.messages.deleted}</p>
  if (editing) return <EditBox text={message.text ?? ''} onSave={(text) => { actions.save(message.seq, text) }} onCancel={actions.cancel} />
  const under = open !== undefined && open.failed === undefined
  return (
    <MessageText text={message.text ?? ''}>
      {under && <small className={styles.note}>{open.change.kind === 'delete' ? texts.messages.deleting : texts.messages.saving}</small>}
      {!under && message.edited !== undefined && (
        <small className={styles.note} title={texts.messages.editedAt(fullTime(message.edited))}>{texts.messages.edited}</small>
      )}
    </MessageText>
  )
}

function Failed({ entry, actions }: { entry: Unsent; actions: RowActions }) {
  return (
    <p className={styles.failed} role="alert">
      {texts.messages.notSaved(texts.error(entry.failed ?? ''))}{' '}
      <button type="button" className="link" onClick={() => { actions.retry(entry.id) }}>{texts.retry}</button>{' '}
      <button type="button" className="link" onClick={() => { actions.discard(entry.id) }}>{texts.discard}</button>
    </p>
  )
}

function Quote({ of, onGo }: { of: Message | undefined; onGo: () => void }) {
  const name = of && (shownName(of.user) || texts.messages.noName)
  if (!of || name === undefined) return <p className={styles.quote}>{texts.messages.unknownQuote}</p>
  return (
    <button type="button" className={styles.quote} aria-label={texts.messages.goTo(name)} onClick={onGo}>
      <bdi>{name}</bdi> <span>{of.deleted === true ? texts.messages.deleted : excerpt(of.text)}</span>
    </button>
  )
}
