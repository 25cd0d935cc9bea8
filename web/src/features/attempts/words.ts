/** Texts of the page; they load with it. */
export const words = {
  intro: 'Every attempt to connect, latest first. Press one for its stages.',
  needsToken: 'This page is for admins. Start the server on a terminal and open the address with #admin= that it prints.',
  range: 'Time', outcome: 'Outcome', allOutcomes: 'All outcomes', stage: 'Last stage', allStages: 'All stages', path: 'Path', allPaths: 'All paths', gateway: 'Gateway', allGateways: 'All gateways',
  loading: 'Asking the server…', rows: (n: number, limit: number) => (n === limit ? `The latest ${String(n)} attempts` : n === 1 ? '1 attempt' : `${String(n)} attempts`),
  fresh: (when: string) => `as of ${when}; renewed by itself.`, stale: (detail: string, when: string) => `as of ${when}. ${detail}`,
  off: 'This server keeps no statistics. Its operator has switched them off (analytics.mode=off), or another process of the installation has them.',
  soon: 'The statistics are getting ready. On its first start the server fetches the database for them (some 180 MB), which can take minutes. Attempts made in the meantime are kept and appear here. The page looks again by itself.',
  failed: (detail: string) => `The attempts cannot be shown. ${detail}`, status: 'Server status',
  empty: 'No attempt to connect matches.', will: 'Every attempt appears here some seconds after it was made, also one that was refused or given up: when, how far it came, why it ended, and each of its stages on a timeline.',
  table: 'Connection attempts', started: 'Time', reason: 'Why', close: 'Close code', age: 'Lasted', client: 'Client', none: '–', open: 'still open',
  details: (when: string) => `Stages of the attempt at ${when}`, hide: 'Hide', asking: 'Asking for the stages…',
  noStages: (why: string) => `The single stages cannot be shown (${why}); this is what the attempt itself says.`, notYet: 'its rows are not stored any more',
  facts: { trace: 'Trace', gateway: 'Gateway', path: 'Path', origin: 'Origin', browser: 'Browser', family: 'Network', tls: 'TLS', http: 'HTTP', proxied: 'Through a proxy', rtt: 'Fastest ping', reason: 'Close reason' }, yes: 'yes',
}

export const outcomes = ['succeeded', 'refused', 'failed', 'abandoned', 'pending']
export const stages = ['accept', 'tls', 'request', 'origin', 'auth', 'limits', 'upgraded', 'first_frame', 'joined', 'first_event', 'closing', 'closed']
