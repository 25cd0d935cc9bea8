/**
 * Bytes that permessage-deflate cannot make smaller: otherwise a large message
 * would be a small frame, and nothing on the way would be tested.
 */
export function noise(bytes: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes)
  let x = 0x2545f491
  for (let i = 0; i < bytes; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    out[i] = x
  }
  return out
}

/** The same as letters and digits; they can be compressed by a quarter at most. */
export function printable(bytes: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return Array.from(noise(bytes), (b) => letters[b & 63]).join('')
}
