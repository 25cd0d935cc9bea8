/** Texts of the page; they load with it. */
export const words = {
  intro: 'Questions in SQL to the connection telemetry, read only. Answers are limited in rows, time and memory.',
  needsToken: 'This page is for admins. Start the server on a terminal and open the address with #admin= that it prints.',
  label: 'SQL', run: 'Run', stop: 'Stop', running: 'Asking…', examples: 'Examples', choose: 'Choose an example',
  keys: 'Ctrl Enter runs it.', stopped: 'Stopped.', empty: 'The answer has no rows.',
  first: 'The answer appears here as a table, and can be saved as CSV or JSON.',
  rows: (n: number) => (n === 1 ? '1 row' : `${String(n)} rows`),
  shown: (n: number, all: number) => `The first ${String(n)} of ${String(all)} rows are shown; a download has all.`,
  broken: (why: string) => `Not the whole answer: ${why}`, csv: 'Save as CSV', json: 'Save as JSON', result: 'Answer',
}

const lastDay = "since = now() - INTERVAL 1 DAY, until = now(), path = '', gateway = ''"

/** Questions over the named views. */
export const examples: readonly { title: string; sql: string }[] = [
  { title: 'Totals of the last day', sql: `SELECT * FROM v_summary(${lastDay})` },
  { title: 'How far attempts come', sql: `SELECT stage, passed, share, ended_here FROM v_funnel(${lastDay})` },
  { title: 'Top errors', sql: `SELECT * FROM v_errors(${lastDay})\nORDER BY failures DESC LIMIT 20` },
  { title: 'Close codes', sql: `SELECT * FROM v_close_codes(${lastDay})\nORDER BY closes DESC` },
  { title: 'Durations', sql: `SELECT * FROM v_durations(${lastDay})` },
  { title: 'Attempts an hour', sql: `SELECT * FROM v_series(${lastDay}, step = 3600)\nORDER BY t` },
  { title: 'By path', sql: `SELECT * FROM v_by_path(${lastDay})` },
  { title: 'At which age connections end', sql: `SELECT age_s, ended, surviving, ended_by_network FROM v_survival(${lastDay})\nORDER BY age_s` },
  { title: 'Latest attempts', sql: `SELECT started, outcome, last_stage, error_type, status, path, close_code\nFROM v_attempts(${lastDay})\nORDER BY started DESC LIMIT 50` },
]
