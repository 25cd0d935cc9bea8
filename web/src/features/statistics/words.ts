/** Texts of the page; they load with it. */
export const words = {
  intro: 'How connections to this server fare: every attempt counts, also the refused and the abandoned ones.',
  range: 'Time', path: 'Path', gateway: 'Gateway', allPaths: 'All paths', allGateways: 'All gateways',
  loading: 'Asking the server…', fresh: (when: string) => `As of ${when}; renewed by itself.`,
  stale: (detail: string, when: string) => `The numbers are those of ${when}. ${detail}`,
  off: 'This server keeps no statistics.', offHint: 'Its operator has switched them off (analytics.mode=off), or another process of the installation has them.',
  soon: 'The statistics are getting ready.', soonHint: 'On its first start the server fetches the database for them (some 180 MB), which can take minutes. Attempts made in the meantime are kept and counted. The page looks again by itself.',
  failed: 'The statistics cannot be shown.', status: 'Server status',
  empty: 'No attempt to connect in this time.', will: 'What appears here with the first attempts, some ten seconds after each:',
  appears: ['attempts and success rate over time', 'how far attempts come, stage by stage', 'how long the handshake takes, with quantiles', 'top errors and close codes', 'paths and gateways side by side', 'at which age connections end, with the usual culprits of cliffs at 30, 60, 100 and 240 s'],
  totals: 'Totals', attempts: 'Attempts', rate: 'Success rate', refused: 'Refused', failedCount: 'Failed', abandoned: 'Abandoned', open: 'In progress', joined: 'Joined a room', closes: 'Closed', abnormal: 'Closed abnormally',
  never: 'Never arrived', dropped: (n: string) => `${n} rows of telemetry were dropped under load: the numbers are too small by that much.`,
  attemptsPlot: 'Attempts over time', ratePlot: 'Success rate over time', handshakePlot: 'Mean handshake time over time',
  succeeded: 'succeeded', refusedSeries: 'refused', failedSeries: 'failed', abandonedSeries: 'abandoned', time: 'Time', mean: 'mean',
  per: (step: string) => `per ${step}`, asTable: 'As a table',
  funnel: 'How far attempts come', stage: 'Stage', passed: 'Passed', ended: 'Ended here', share: 'Share',
  durations: 'Durations', kind: 'From accept to', n: 'Count', median: 'Median', p90: '90 %', p95: '95 %', p99: '99 %', max: 'Longest',
  kinds: { handshake: 'handshake answered', first_frame: 'first frame', joined: 'first room joined', first_event: 'first event', rtt: 'round trip (fastest ping)', age: 'age at the end' } as Record<string, string>,
  errors: 'Top errors', error: 'Error', httpStatus: 'Status', count: 'Count', noErrors: 'No attempt failed.',
  closeCodes: 'Close codes', code: 'Code', by: 'Closed by', noCloses: 'No connection has ended.', paths: 'By path', gateways: 'By gateway', none: '(none)',
  survival: 'How old connections become', survivalNote: 'The share of the ended connections that became older than an age. A cliff is the work of a time-out on the way.',
  age: 'Age', surviving: 'Older', cliff: (share: string) => `${share} of all ended here`, noCliff: 'no cliff', culprits: 'Usual culprits', found: 'Found', noAges: 'Appears when connections have ended.',
}

/** Ages at which time-outs cut connections, in seconds, and who is known for it. */
export const cliffs: readonly { age: number; culprit: string }[] = [
  { age: 30, culprit: 'HAProxy with “timeout client 30s”, Google Cloud load balancers' },
  { age: 60, culprit: 'nginx (proxy_read_timeout), AWS Application Load Balancer' },
  { age: 100, culprit: 'Cloudflare' },
  { age: 240, culprit: 'Azure Load Balancer (4 minutes)' },
]
