import { Suspense, type ReactNode } from 'react'
import { texts } from '../shared/texts'
import { Boundary } from './Boundary'
import styles from './OtherPage.module.css'
import { pages } from './pages'
import type { Session } from './session'

/** A page besides the chat. */
export function OtherPage({ path, session, menu }: { path: string; session: Session; menu: ReactNode }) {
  const page = pages.find((other) => other.path === path)
  return (
    <div className={styles.page}>
      <header className={styles.head}>
        {menu}
        <h1>{page?.title ?? texts.product}</h1>
        <a href="#/">{texts.pages.back}</a>
      </header>
      <div className={styles.body}>
        {page
          ? <Boundary key={path}><Suspense fallback={<p className="pad">{texts.pages.loading}</p>}><page.Component {...session} /></Suspense></Boundary>
          : <p className="pad">{texts.pages.missing}</p>}
      </div>
    </div>
  )
}
