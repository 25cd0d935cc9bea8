import { createHmac } from 'node:crypto'
import type { Case } from './list'

const secret = 'a-secret-of-the-lab-with-enough-bytes'

/** Settings of a server that wants tokens. */
export const tokenFlags = ['--auth-mode', 'jwt', '--auth-jwt-secret', secret, '--auth-jwt-audience', 'lab']

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token with one thing wrong; undefined: none. */
export function tokenOf(kind: NonNullable<Case['token']>): string | undefined {
  if (kind === 'none') return undefined
  const now = Math.floor(Date.now() / 1000)
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: 'lab', aud: kind === 'audience' ? 'other' : 'lab', exp: kind === 'expired' ? now - 3600 : now + 3600, rooms: ['*'] })}`
  return `${body}.${createHmac('sha256', kind === 'signature' ? `${secret}?` : secret).update(body).digest('base64url')}`
}
