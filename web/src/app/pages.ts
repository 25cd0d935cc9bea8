import { lazy, type ComponentType, type LazyExoticComponent } from 'react'
import type { Client } from '../client/client'
import type { Store } from '../client/store'
import { texts } from '../shared/texts'

/** What a page gets. */
export interface PageProps { client: Client; store: Store }

export interface Page {
  /** The fragment after #/. */
  path: string
  title: string
  Component: LazyExoticComponent<ComponentType<PageProps>>
}

/** The pages besides the chat, each loaded when it is opened. */
export const pages: readonly Page[] = [
  { path: 'statistics', title: texts.statistics.title, Component: lazy(async () => ({ default: (await import('../features/statistics/StatisticsPage')).StatisticsPage })) },
  { path: 'attempts', title: texts.attempts.title, Component: lazy(async () => ({ default: (await import('../features/attempts/AttemptsPage')).AttemptsPage })) },
  { path: 'sql', title: texts.sql.title, Component: lazy(async () => ({ default: (await import('../features/sql/SqlPage')).SqlPage })) },
  { path: 'status', title: texts.status.title, Component: lazy(async () => ({ default: (await import('../features/status/StatusPage')).StatusPage })) },
]
