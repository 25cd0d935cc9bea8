import { lifetime, resume, sides, type ResumeOptions } from '../checks/extra'
import { idleLadder, ladderSeconds, repeated, streaming } from '../checks/long'
import type { DiagEnv } from '../env'
import { ms, works } from '../facts'
import type { Evidence, LongTests } from '../evidence'
import { button, el } from './dom'

const lifetimeSeconds = 300
const connections = 5

/** A test with a button of its own. */
export interface LongTest {
  name: string
  takes: string
  what: string
  run: (signal: AbortSignal, say: (words: string) => void) => Promise<LongTests>
  /** What it found; undefined before it was run. */
  found: (found: LongTests) => string | undefined
}

/** The tests that are worth a wait. */
export function longTests(env: DiagEnv, e: Evidence, heartbeatS: number, room: ResumeOptions | undefined): LongTest[] {
  const { target } = e
  const left = (say: (words: string) => void) => (s: number) => { say(`${clock(s)} left`) }
  return [
    {
      name: 'Quiet connections', takes: '4 min', what: 'Finds a proxy that cuts connections on which nothing happens.',
      run: async (signal, say) => ({ ladder: await idleLadder(env, target, ladderSeconds, heartbeatS, signal, left(say)) }),
      found: ({ ladder }) => ladder?.rungs.map((r) => `${String(r.idleS)} s: ${r.outcome === 'cut' ? `cut after ${String(r.cutAfterS ?? 0)} s` : r.outcome}`).join(', '),
    },
    {
      name: 'Life of a connection', takes: '5 min', what: 'Keeps one connection busy, to find a limit of its whole life.',
      run: (signal, say) => lifetime(env, target, lifetimeSeconds, signal, left(say)),
      found: ({ lifetime: l }) => l && (l.cut ? `ended after ${String(l.livedS)} s` : `lived for ${String(l.livedS)} s`),
    },
    ...room === undefined ? [] : [{
      name: 'Resume', takes: '1 s', what: 'Joins the room, drops the connection, joins again, and looks for holes.',
      run: (signal: AbortSignal) => resume(env, target, room, signal),
      found: ({ resume: r }: LongTests) => r?.detail,
    }],
    {
      name: 'Streaming', takes: '2 s', what: 'Finds a proxy that holds answers back until they are complete.',
      run: async (signal) => ({ stream: await streaming(env, target, signal) }),
      found: ({ stream: s }) => s && (s.chunks === 0 ? 'no streamed answer came' : `${String(s.chunks)} pieces over ${ms(s.spreadMs)}`),
    },
    {
      name: 'Several connections', takes: '2 s', what: 'Finds one broken gateway of several behind a balancer.',
      run: async (signal) => ({ repeat: await repeated(env, target, connections, signal) }),
      found: ({ repeat: r }) => r && `${String(r.tried - r.failed)} of ${String(r.tried)} opened`,
    },
    {
      name: 'Ports and schemes', takes: 'up to 1 min', what: 'Tries ws and wss on the usual ports, side by side.',
      run: (signal, say) => sides(env, target, signal, say),
      found: ({ sides: s }) => s?.map((side) => `${side.label}: ${works(side.attempt) ? 'works' : 'no'}`).join(', '),
    },
  ]
}

function clock(seconds: number): string {
  const [m, s] = [Math.floor(seconds / 60), seconds % 60]
  return m === 0 ? `${String(s)} s` : `${String(m)}:${String(s).padStart(2, '0')} min`
}

/** The tests with their buttons; running names the one under way. */
export function drawLong(tests: LongTest[], found: LongTests, running: string | null, start: (test: LongTest) => void, cancel: () => void): HTMLElement {
  return el('ul', { class: 'pd-long' }, ...tests.map((test) => {
    const result = test.found(found)
    return el('li', {},
      el('div', {}, el('strong', {}, test.name), ' ', el('span', { class: 'pd-quiet' }, test.takes), el('p', { class: 'pd-quiet' }, test.what), result !== undefined && el('p', {}, `Found: ${result}.`.replace('..', '.'))),
      running === test.name
        ? button('Cancel', cancel, { 'aria-label': `Cancel: ${test.name}` })
        : button('Start', () => { start(test) }, { 'aria-label': `Start: ${test.name}`, disabled: running !== null }))
  }))
}
