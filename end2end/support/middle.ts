import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import type { House } from "./servers.ts";

/** What is sent on in place of a frame: nothing, one, or some. */
export type Tamper = (frame: string) => string[] | Promise<string[]>;

export type Transport = "stream" | "socket";

const honest: Tamper = (frame) => [frame];

/** Takes events apart and puts them together again, however they were cut. */
class Events {
  private rest = "";

  take(bytes: Buffer): string[] {
    const parts = (this.rest + bytes.toString("latin1")).split("\n\n");
    this.rest = parts.pop() ?? "";
    return parts.map((part) => Buffer.from(part.replace(/^data: /, ""), "latin1").toString());
  }
}

/**
 * Somebody between browser and server, who sees and changes all that is pushed. To the browser it is the server: it listens
 * on the port that the origins name, and the server on another one.
 */
export class Middle {
  /** What is done with every frame. */
  tamper: Tamper = honest;
  /** Which transports are let through. */
  open = new Set<Transport>(["stream", "socket"]);
  /** How many connections there were, by transport. */
  readonly connections: Record<Transport, number> = { stream: 0, socket: 0 };
  /** All frames as the server sent them. */
  readonly frames: string[] = [];
  /** The paths of all requests about pushing. */
  readonly asked: string[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;
  private readonly upgrades = new WebSocketServer({ noServer: true });

  private constructor(
    /** Where the server listens. */
    private readonly to: number,
  ) {
    this.server = createServer((asked, answer) => this.forward(asked, answer));
    this.server.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    this.server.on("upgrade", (asked: IncomingMessage, socket: Socket, head: Buffer) => {
      this.asked.push(asked.url ?? "");
      if (!this.open.has("socket")) return void socket.destroy();
      this.upgrades.handleUpgrade(asked, socket, head, (page) => this.relay(asked, page));
    });
  }

  static async between(house: House, to: number): Promise<Middle> {
    const middle = new Middle(to);
    await new Promise<void>((done) => middle.server.listen(house.port, "127.0.0.1", done));
    return middle;
  }

  /** Ends all connections that are open, and lets new ones come. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((done) => this.server.close(done));
  }

  private forward(asked: IncomingMessage, answer: ServerResponse): void {
    const path = asked.url ?? "";
    const isStream = path === "/api/jitterbug/stream";
    if (path.startsWith("/api/jitterbug/")) this.asked.push(path);
    if (isStream && !this.open.has("stream")) return void asked.socket.destroy();
    const options = { host: "127.0.0.1", port: this.to, method: asked.method, path, headers: asked.headers };
    const onward = request(options, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      if (!reply.headers["content-type"]?.startsWith("text/event-stream")) return void reply.pipe(answer);
      this.connections.stream++;
      const events = new Events();
      const pass = this.inOrder((frame) => void answer.write(`data: ${frame}\n\n`));
      reply.on("data", (bytes: Buffer) => events.take(bytes).forEach(pass));
      reply.on("end", () => answer.end());
      reply.on("error", () => answer.destroy());
      answer.on("close", () => reply.destroy());
    });
    onward.on("error", () => answer.destroy());
    asked.pipe(onward);
  }

  private relay(asked: IncomingMessage, page: WebSocket): void {
    this.connections.socket++;
    const { cookie = "", origin = "", host = "" } = asked.headers;
    const server = new WebSocket(`ws://127.0.0.1:${this.to}${asked.url}`, { headers: { cookie, origin, host } });
    const waiting: string[] = [];
    page.on("message", (hello: Buffer) => {
      if (server.readyState === WebSocket.OPEN) server.send(hello.toString());
      else waiting.push(hello.toString());
    });
    server.on("open", () => waiting.forEach((hello) => server.send(hello)));
    const pass = this.inOrder((frame) => page.send(frame));
    server.on("message", (frame: Buffer) => pass(frame.toString()));
    for (const [one, other] of [[page, server], [server, page]] as const) {
      one.on("close", () => other.close());
      one.on("error", () => other.terminate());
    }
  }

  /** Tampers with frames, one after another, also when that takes time. */
  private inOrder(send: (frame: string) => void): (frame: string) => void {
    let last = Promise.resolve();
    return (frame) => {
      this.frames.push(frame);
      last = last.then(async () => (await this.tamper(frame)).forEach(send)).catch(() => {});
    };
  }
}
