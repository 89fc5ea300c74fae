import { createConnection, createServer, type Server, type Socket } from "node:net";
import type { TestServer } from "./test-server.ts";

/** What is lost: the request on its way, the whole response, or all but its first bytes. */
export type Loss = "request" | "response" | "rest of the response";

/**
 * A TCP proxy between browser and server that loses or delays single requests or responses, as a mobile network or a
 * restarting proxy does. It listens on the port of the origins.
 */
export class LossyProxy {
  /** How many requests for the path have reached the proxy since `lose`. */
  seen = 0;
  private path = "";
  private loss: Loss = "response";
  private left = 0;
  private delayMs = 0;
  private readonly sockets = new Set<Socket>();
  private readonly listener: Server;

  private constructor(private readonly serverPort: number) {
    this.listener = createServer((browser) => this.relay(browser));
  }

  /** Starts it on `server.port`, in front of a server that listens on `serverPort`. */
  static async start(server: TestServer, serverPort: number): Promise<LossyProxy> {
    const proxy = new LossyProxy(serverPort);
    await new Promise<void>((done) => proxy.listener.listen(server.port, "127.0.0.1", done));
    return proxy;
  }

  /** Loses that part of the next `times` POST requests for a path. A browser may send a request again by itself. */
  lose(loss: Loss, path: string, times = 1): void {
    [this.loss, this.path, this.left, this.seen] = [loss, path, times, 0];
  }

  /** Delays the next request for a path, as a slow uplink does. */
  delay(path: string, ms: number): void {
    [this.path, this.left, this.seen, this.delayMs] = [path, 0, 0, ms];
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((done) => this.listener.close(done));
  }

  private relay(browser: Socket): void {
    const server = createConnection(this.serverPort, "127.0.0.1");
    let losing: Loss | undefined;
    let delayed: Buffer[] | undefined;
    for (const [socket, other] of [
      [browser, server],
      [server, browser],
    ] as const) {
      this.sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.sockets.delete(socket);
        other.end();
      });
    }
    browser.on("data", (bytes) => {
      if (this.path && bytes.toString("latin1").startsWith(`POST ${this.path} `)) {
        this.seen++;
        if (this.delayMs > 0) {
          const held = (delayed = [] as Buffer[]);
          setTimeout(() => {
            delayed = undefined;
            if (!server.destroyed) server.write(Buffer.concat(held));
          }, this.delayMs);
          this.delayMs = 0;
        }
        if (this.left > 0) {
          this.left--;
          losing = this.loss;
        }
      }
      if (losing === "request") browser.resetAndDestroy();
      else if (delayed) delayed.push(bytes);
      else server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (!losing) return void browser.write(bytes);
      // The rest still arrives after the response has begun.
      if (losing === "rest of the response") browser.write(bytes.subarray(0, 40), () => browser.resetAndDestroy());
      else browser.resetAndDestroy();
    });
  }
}
