import { createServer, connect, type Server, type Socket } from 'node:net'
import { createServer as createTLSServer } from 'node:tls'
import { once } from 'node:events'

/** The end of a connection: by a reset, or never. */
export interface End { end: 'reset' | 'hang' }

/** What happens to some bytes: they pass, cut the connection, vanish, or are answered with the last ones. */
export type Verdict = 'pass' | 'reset' | 'drop' | { last: Buffer }

/** What a proxy does to one connection of a client. */
export interface Fault {
  /** Changes the head of a request; an end or a whole answer stops it here. */
  request?: (head: string) => string | { answer: string } | End
  /** Changes the head of an answer (its first bytes), or ends the connection. */
  response?: (head: string) => string | End
  /** Called with what the client sends after the head of an upgrade. */
  fromClient?: (data: Buffer) => Verdict
  /** Called with what the server sends after its 101. */
  fromServer?: (data: Buffer) => Verdict
  /** Changes what follows the head of an ordinary answer. */
  body?: (text: string) => string
  /** Milliseconds each way. */
  delay?: number
}

/** A certificate for the side of the client, as PEM. */
export interface Identity { cert: string; key: string }

/** A small proxy that injects a fault, on a free port of this machine. */
export class Proxy {
  private readonly server: Server
  private readonly sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.server = server
  }

  static async start(upstream: string, fault: Fault, tls?: Identity): Promise<Proxy> {
    const server = tls ? createTLSServer(tls) : createServer()
    const proxy = new Proxy(server)
    server.on(tls ? 'secureConnection' : 'connection', (client: Socket) => { proxy.serve(client, upstream, fault) })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get port(): string {
    const address = this.server.address()
    return typeof address === 'object' && address !== null ? String(address.port) : ''
  }

  stop(): void {
    this.server.close()
    for (const socket of this.sockets) socket.destroy()
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket)
    socket.on('error', () => { socket.destroy() })
    socket.on('close', () => this.sockets.delete(socket))
  }

  private serve(client: Socket, upstream: string, fault: Fault): void {
    this.keep(client)
    let server: Socket | null = null
    let head = Buffer.alloc(0)
    let upgrade = false
    client.on('data', (data: Buffer) => {
      if (server) {
        pass(data, server, upgrade ? fault.fromClient : undefined, client, fault.delay)
        return
      }
      head = Buffer.concat([head, data])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      const text = head.subarray(0, end + 4).toString('latin1')
      upgrade = /^upgrade:/im.test(text)
      // One request a connection: what follows would escape the fault.
      const result = fault.request?.(text) ?? text
      if (typeof result !== 'string') {
        if ('answer' in result) client.end(result.answer)
        else if (result.end === 'reset') client.resetAndDestroy()
      } else {
        server = this.forward(client, upstream, fault, upgrade)
        later(fault.delay, server, upgrade ? result : result.replace(/^connection:.*\r\n/im, '').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
        const rest = head.subarray(end + 4)
        if (rest.length > 0) later(fault.delay, server, rest)
      }
    })
  }

  private forward(client: Socket, upstream: string, fault: Fault, upgrade: boolean): Socket {
    const [host = '', port = ''] = upstream.split(':')
    const server = connect(Number(port), host)
    this.keep(server)
    let head: Buffer | null = Buffer.alloc(0)
    const changed = (data: Buffer) => upgrade || !fault.body ? data : Buffer.from(fault.body(data.toString('latin1')), 'latin1')
    server.on('data', (data: Buffer) => {
      if (!head) {
        pass(changed(data), client, upgrade ? fault.fromServer : undefined, client, fault.delay)
        return
      }
      head = Buffer.concat([head, data])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      const text = head.subarray(0, end + 4).toString('latin1'), rest = changed(head.subarray(end + 4))
      head = null
      const result = fault.response?.(text) ?? text
      if (typeof result !== 'string') {
        if (result.end === 'reset') client.resetAndDestroy()
      } else {
        later(fault.delay, client, result)
        if (rest.length > 0) pass(rest, client, upgrade ? fault.fromServer : undefined, client, fault.delay)
      }
    })
    server.on('end', () => { later(fault.delay, client, null) })
    client.on('close', () => { server.destroy() })
    return server
  }
}

function pass(data: Buffer, to: Socket, decide: ((data: Buffer) => Verdict) | undefined, client: Socket, delay: number | undefined): void {
  const what = decide?.(data) ?? 'pass'
  if (what === 'reset') client.resetAndDestroy()
  else if (what === 'pass') later(delay, to, data)
  else if (what !== 'drop') {
    later(delay, client, what.last)
    later(delay, client, null)
  }
}

function later(delay: number | undefined, to: Socket, data: Buffer | string | null): void {
  const write = () => {
    if (to.destroyed || to.writableEnded) return
    if (data === null) to.end()
    else to.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
  }
  if (delay === undefined) write()
  else setTimeout(write, delay)
}

export function answer(status: string, type: string, body: string, more = ''): { answer: string } {
  return { answer: `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nServer: nginx\r\n${more}Content-Length: ${String(Buffer.byteLength(body))}\r\nConnection: close\r\n\r\n${body}` }
}
