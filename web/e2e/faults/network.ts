import { execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import type { Case } from './list'

const run = promisify(execFile)

/** The lab runs in a network namespace of its own (.ci/namespace), where packets may be dropped. */
export const ownNetwork = process.env.FAULTLAB_NAMESPACE === '1'

/** Lets the packet filter lose or drop what goes to and from a port, until the result is called. */
export async function filter(c: Case, port: string): Promise<() => Promise<void>> {
  const chance = String(c.loss ?? 0)
  // Handshakes of TCP pass: a lost SYN costs a second and more, and would turn a lossy line into a dead one.
  const rules = c.packets === 'lost'
    ? ['dport', 'sport'].map((side) => `tcp ${side} ${port} tcp flags & syn == 0 numgen random mod 100 < ${chance} drop`)
    : [`ip6 daddr 2001:db8::1 tcp dport ${port} drop`]
  await nft(['table inet lab {', 'chain in {', 'type filter hook input priority 0', ...rules, '}', '}', ''].join('\n'))
  return async () => { await run('nft', ['delete', 'table', 'inet', 'lab']) }
}

function nft(script: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('nft', ['-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (data: Buffer) => { said += data.toString() })
    child.on('error', reject)
    child.on('close', (code) => { if (code === 0) resolve(); else reject(new Error(`nft: ${said}`)) })
    child.stdin.end(script)
  })
}
