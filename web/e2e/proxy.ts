import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A path to a server on loopback that can break. */
export class Proxy {
  private readonly server: Server
  private readonly pairs = new Set<[Socket, Socket]>()

  private constructor(target: URL) {
    this.server = createServer((near) => {
      const far = connect(Number(target.port), target.hostname)
      const pair: [Socket, Socket] = [near, far]
      this.pairs.add(pair)
      this.pass(near, far)
      this.pass(far, near)
      for (const socket of pair) {
        socket.on('error', () => undefined)
        socket.on('close', () => { this.drop(pair) })
      }
    })
  }

  static async open(target: string): Promise<Proxy> {
    const proxy = new Proxy(new URL(target))
    proxy.server.listen(0, '127.0.0.1')
    await once(proxy.server, 'listening')
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.server.address() as AddressInfo).port)}/`
  }

  /** Resets every connection, whatever is under way. */
  cut(): void {
    for (const pair of this.pairs) this.drop(pair)
  }

  /** Swallows what goes through the connections that exist, as a lost NAT entry does. */
  silence(): void {
    for (const [near, far] of this.pairs) {
      for (const socket of [near, far]) {
        socket.removeAllListeners('data')
        socket.resume()
      }
    }
  }

  async close(): Promise<void> {
    this.cut()
    this.server.close()
    await once(this.server, 'close')
  }

  private pass(from: Socket, to: Socket): void {
    from.on('data', (chunk) => { to.write(chunk) })
    from.on('end', () => { to.end() })
  }

  private drop(pair: [Socket, Socket]): void {
    this.pairs.delete(pair)
    pair.forEach((socket) => { socket.resetAndDestroy() })
  }
}
