import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * An HTTP proxy that connects every `CONNECT` request to one local port, whatever host it names. So a browser uses ordinary
 * host names, and neither DNS nor `/etc/hosts` has to know them.
 */
export class ConnectProxy {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly listener: Server,
    /** The port that it listens on. */
    readonly port: number,
  ) {}

  static async start(target: number): Promise<ConnectProxy> {
    const listener = createServer();
    await new Promise<void>((done) => listener.listen(0, "127.0.0.1", done));
    const proxy = new ConnectProxy(listener, (listener.address() as { port: number }).port);
    listener.on("connection", (browser) => proxy.relay(browser, target));
    return proxy;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((done) => this.listener.close(done));
  }

  private relay(browser: Socket, target: number): void {
    this.keep(browser);
    browser.once("data", (request) => {
      if (!request.toString("latin1").startsWith("CONNECT ")) return void browser.destroy();
      const server = connect(target, "127.0.0.1", () => {
        browser.write("HTTP/1.1 200 Connected\r\n\r\n");
        browser.pipe(server).pipe(browser);
      });
      this.keep(server);
      browser.on("close", () => server.destroy());
      server.on("close", () => browser.destroy());
    });
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.sockets.delete(socket));
  }
}
