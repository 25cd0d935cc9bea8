import type { Case } from './list'
import type { Snippet } from './snippets'

/** What one of the two said, and after how long. */
export interface Outcome { code: string; confidence: string; ms: number }

export interface Row { c: Case; page: Outcome; doctor: Outcome }

/** The same case in another browser. */
export interface Elsewhere { c: Case; browser: string; page: Outcome }

/** What the terminal said without and with a snippet. */
export interface Shown { s: Snippet; before: string; after: string }

interface Whole { rows: readonly Row[]; others: readonly Elsewhere[]; shown: readonly Shown[]; left: readonly string[] }

type Side = 'page' | 'doctor'

/** What was expected and what was said, wherever it came from. */
interface Answer { side: string; expected: string; said: Outcome }

const right = (a: Answer) => a.said.code === a.expected
const wrong = (a: Answer) => !right(a) && a.said.confidence !== 'unknown'
const answers = (rows: readonly Row[], side: Side): Answer[] => rows.map((r) => ({ side, expected: r.c[side], said: r[side] }))
const elsewhereAnswers = (others: readonly Elsewhere[]): Answer[] => others.map((o) => ({ side: o.browser, expected: o.c.page, said: o.page }))

function rate(all: readonly Answer[], fits: (a: Answer) => boolean): string {
  const count = all.filter(fits).length
  return `${String(count)} of ${String(all.length)} (${(100 * count / Math.max(all.length, 1)).toFixed(1)} %)`
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
const verdict = (said: Outcome, expected: string) => [said.code, said.confidence, said.code === expected ? 'yes' : `no, expected ${expected}`, seconds(said.ms)].join(' | ')
const line = ({ c, page, doctor }: Row) => `| ${c.name} | ${verdict(page, c.page)} | ${verdict(doctor, c.doctor)} |`

// Only what is off the diagonal: the rest would be a table of one column.
function confusion(all: readonly Answer[]): string {
  const counts = new Map<string, number>()
  for (const a of all) {
    if (right(a)) continue
    const key = `| ${a.side} | ${a.expected} | ${a.said.code} |`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  if (counts.size === 0) return 'Nothing lies off the diagonal.'
  return ['| side | expected | given | count |', '|---|---|---|---|', ...[...counts].map(([key, n]) => `${key} ${String(n)} |`)].join('\n')
}

function slowest(rows: readonly Row[], fits: (c: Case) => boolean): string {
  const row = rows.filter((r) => fits(r.c)).reduce<Row | undefined>((most, r) => most && most.page.ms >= r.page.ms ? most : r, undefined)
  return row ? `${seconds(row.page.ms)} (${row.c.name})` : 'none'
}

const healthyPath = (c: Case) => c.name.startsWith('healthy')
const faulty = (rows: readonly Row[]) => rows.filter((r) => r.c.page !== 'healthy' || r.c.doctor !== 'healthy')

function otherTable(others: readonly Elsewhere[]): string {
  const names = [...new Set(others.map((o) => o.browser))], all = [...new Set(others.map((o) => o.c))]
  const cell = (c: Case, name: string) => {
    const o = others.find((x) => x.c === c && x.browser === name)
    return o ? `${o.page.code}${o.page.code === c.page ? '' : ` (no, expected ${c.page})`}, ${o.page.confidence}, ${seconds(o.page.ms)}` : 'not run'
  }
  return [`| fault | ${names.join(' | ')} |`, `|---${'|---'.repeat(names.length)}|`, ...all.map((c) => `| ${c.name} | ${names.map((name) => cell(c, name)).join(' | ')} |`)].join('\n')
}

/** The report of a whole run. */
export function document({ rows, others, shown, left }: Whole): string {
  const page = answers(rows, 'page'), doctor = answers(rows, 'doctor'), other = elsewhereAnswers(others)
  const broken = faulty(rows)
  return `# How well the diagnosis names causes

Written by \`make faultlab\`: each fault is put between a real browser and a real server on
the same machine, by a small proxy, by nginx, HAProxy or Caddy, or by a packet filter in a
network namespace, and the standalone page and \`partyline doctor\` have to name it. What is
expected is fixed beforehand in \`web/e2e/faults/list.ts\`: for the page the finest class that a
browser can tell apart, for the terminal the exact fault. A fault that touches only one side
must be called healthy by the other.

${left.length === 0 ? 'Every case of the list was run.' : `Not run, because this server has no such setting yet or the machine no such means: ${left.join('; ')}.`}

| | page | doctor | other browsers |
|---|---|---|---|
| named-cause rate, all cases | ${rate(page, right)} | ${rate(doctor, right)} | ${rate(other, right)} |
| named-cause rate, without what is healthy for both | ${rate(answers(broken, 'page'), right)} | ${rate(answers(broken, 'doctor'), right)} | ${rate(elsewhereAnswers(others.filter((o) => o.c.page !== 'healthy')), right)} |
| false-cause rate (wrong, and not "unknown") | ${rate(page, wrong)} | ${rate(doctor, wrong)} | ${rate(other, wrong)} |

Time to the verdict in Chromium: on healthy paths at most ${slowest(rows, healthyPath)}; on any at
most ${slowest(rows, () => true)}.

| fault | page says | confidence | right | after | doctor says | confidence | right | after |
|---|---|---|---|---|---|---|---|---|
${rows.map(line).join('\n')}

## Confusion matrix

Codes that were expected and given; what lies on the diagonal is left out.

${confusion([...page, ...doctor, ...other])}

## Other browsers

The page in Firefox ESR and WebKitGTK of the distribution, with the same expectations.

${otherTable(others)}

## What was changed after a result was seen

Expectations were not. The commit that fixes them is older than the first run of the cases.

- A browser that throws where the page's policy forbids the address (Firefox, WebKitGTK) was told
  that the address is bad, and one that leaves out the event \`open\` when a Close frame comes at
  once (Firefox) that a subprotocol was removed. Both were wrong causes; the table was corrected.
- The terminal called every quiet connection cut. The settings for time-outs found it.
- The scene for nginx and "buffering": over HTTP/1.1 nginx holds nothing back, so that there was
  no fault to end. It speaks HTTP/1.0 to the server now, as nginx does by itself.
- What the terminal calls lost packets: on a busy machine it counted segments that had arrived.
  The case was right before and after.
- HAProxy whose upstream is down: 12.3 s before, so the second attempt is left out where no
  gateway saw the first, and a verdict is given after eleven seconds at the latest, with what is
  known by then.

## Lessons

What an earlier diagnosis, which this one replaces, got wrong, and the tests that keep it so.

| it | test |
|---|---|
| called a healthy server broken, since a plain request is not answered with 101 | \`run.test.ts\`: a healthy server answers a plain request with 426; the healthy cases above |
| said that CORS blocks WebSockets | \`run.test.ts\`: CORS that is missing is no reason; \`diagnose.property.test.ts\`: no combination says so |
| looked for words in an event that has none | \`run.test.ts\`: an event of an error tells nothing, and is not asked |
| asked \`http:\` and \`ws:\` from pages that came over https | \`run.test.ts\`: nothing is asked over http or ws; "healthy, over TLS" above |
| counted every stage as an attempt | \`gateway/lifecycle\`: \`TestRefusedAttemptIsPublishedMaskedAndOnce\` (one connection id for all stages) |
| noticed only closes by the server | \`cmd/partyline\`: \`TestClosesOfEverybodyAreNoticed\` |
| stored all headers, cookies too | \`cmd/partyline\`: \`TestNothingPrivateIsStoredOrTold\` |
| told addresses and tracebacks to anybody | the same, and \`gateway/api\`: \`TestTraceTellsStrangersNothingPrivate\` |

## Settings that the help pages print

Each is put, with the lab's own addresses in place of the examples, where a faulty line stood.

| program | settings | doctor says before | and with them |
|---|---|---|---|
${shown.map(({ s, before, after }) => `| ${s.program} | ${s.fix} | ${before}${before === s.before ? '' : ` (expected ${s.before})`} | ${after} |`).join('\n')}
`
}
