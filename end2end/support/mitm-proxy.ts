import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import type { Headers, RawRequest } from "./http.ts";
import type { TestServer } from "./test-server.ts";

/** Returns the messages to send in place of a push message: none, one, or several. */
export type Tamper = (message: string) => string[] | Promise<string[]>;

/** An event stream or a WebSocket. */
export type Transport = "stream" | "socket";

/** A request that the proxy has read and not passed on. */
export interface HeldRequest {
  /** The request with the headers that PAN checks. */
  request: RawRequest & { body: string };
  /** Sends it to the server. */
  release(): void;
  /** Drops it: the browser gets no response. */
  drop(): void;
}

/** The headers that PAN checks, of a browser's request. */
const CHECKED_HEADERS = /^(host|origin|cookie|content-type|content-digest|sec-fetch-|signature|x-session-id|x-interaction-proof)/;

const passThrough: Tamper = (message) => [message];

/** Splits the bytes of an event stream into events, wherever the chunks end. */
class EventParser {
  private rest = "";

  push(bytes: Buffer): string[] {
    const parts = (this.rest + bytes.toString("latin1")).split("\n\n");
    this.rest = parts.pop() ?? "";
    return parts.map((part) => Buffer.from(part.replace(/^data: /, ""), "latin1").toString());
  }
}

/**
 * A proxy between browser and server that reads and changes push messages. It listens on the port of the origins, so the
 * browser takes it for the server, which listens on another port.
 */
export class MitmProxy {
  /** Applied to every push message. */
  tamper: Tamper = passThrough;
  /** The transports that it lets through. */
  allowed = new Set<Transport>(["stream", "socket"]);
  /** How many connections it has relayed. */
  readonly connections: Record<Transport, number> = { stream: 0, socket: 0 };
  /** All push messages as the server sent them. */
  readonly messages: string[] = [];
  /** The paths of all push requests. */
  readonly requestedPaths: string[] = [];
  /** The paths whose next request is held. */
  private readonly wanted = new Map<string, (held: HeldRequest) => void>();
  private readonly sockets = new Set<Socket>();
  private readonly listener: Server;
  private readonly upgrades = new WebSocketServer({ noServer: true });

  private constructor(private readonly serverPort: number) {
    this.listener = createServer((incoming, response) => this.forward(incoming, response));
    // Longer than nginx and Node reuse a connection: otherwise a request may arrive just when it closes.
    this.listener.keepAliveTimeout = 120_000;
    this.listener.on("connection", (socket) => {
      this.sockets.add(socket);
      socket.on("close", () => this.sockets.delete(socket));
    });
    this.listener.on("upgrade", (incoming: IncomingMessage, socket: Socket, head: Buffer) => {
      this.requestedPaths.push(incoming.url ?? "");
      if (!this.allowed.has("socket")) return void socket.destroy();
      this.upgrades.handleUpgrade(incoming, socket, head, (browser) => this.relay(incoming, browser));
    });
  }

  /** Starts it on `server.port`, in front of a server that listens on `serverPort`. */
  static async start(server: TestServer, serverPort: number): Promise<MitmProxy> {
    const proxy = new MitmProxy(serverPort);
    await new Promise<void>((done) => proxy.listener.listen(server.port, "127.0.0.1", done));
    return proxy;
  }

  /** Passes everything through from now on. */
  reset(): void {
    this.tamper = passThrough;
    this.allowed = new Set(["stream", "socket"]);
    this.wanted.clear();
  }

  /** Closes all open connections. New ones are accepted. */
  dropConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Holds the next request to that path. */
  async hold(path: string): Promise<HeldRequest> {
    return new Promise((done) => this.wanted.set(path, done));
  }

  async stop(): Promise<void> {
    this.dropConnections();
    await new Promise((done) => this.listener.close(done));
  }

  private forward(incoming: IncomingMessage, response: ServerResponse): void {
    const path = incoming.url ?? "";
    const isStream = path === "/api/jitterbug/stream";
    if (path.startsWith("/api/jitterbug/")) this.requestedPaths.push(path);
    if (isStream && !this.allowed.has("stream")) return void incoming.socket.destroy();
    const options = { host: "127.0.0.1", port: this.serverPort, method: incoming.method, path, headers: incoming.headers };
    const outgoing = request(options, (reply) => {
      response.writeHead(reply.statusCode ?? 502, reply.headers);
      if (!reply.headers["content-type"]?.startsWith("text/event-stream")) return void reply.pipe(response);
      this.connections.stream++;
      const events = new EventParser();
      const pass = this.tamperInOrder((message) => void response.write(`data: ${message}\n\n`));
      reply.on("data", (bytes: Buffer) => events.push(bytes).forEach(pass));
      reply.on("end", () => response.end());
      reply.on("error", () => response.destroy());
      response.on("close", () => reply.destroy());
    });
    outgoing.on("error", () => response.destroy());
    const wanted = this.wanted.get(path);
    if (!wanted) return void incoming.pipe(outgoing);
    this.wanted.delete(path);
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const headers = Object.entries(incoming.headers).filter(([name]) => CHECKED_HEADERS.test(name)) as Headers;
      wanted({ request: { path, headers, body }, release: () => outgoing.end(body), drop: () => void (outgoing.destroy(), incoming.socket.destroy()) });
    });
  }

  private relay(incoming: IncomingMessage, browser: WebSocket): void {
    this.connections.socket++;
    const { cookie = "", origin = "", host = "" } = incoming.headers;
    const server = new WebSocket(`ws://127.0.0.1:${this.serverPort}${incoming.url}`, { headers: { cookie, origin, host } });
    const queue: string[] = [];
    browser.on("message", (message: Buffer) => {
      if (server.readyState === WebSocket.OPEN) server.send(message.toString());
      else queue.push(message.toString());
    });
    server.on("open", () => queue.forEach((message) => server.send(message)));
    const pass = this.tamperInOrder((message) => browser.send(message));
    server.on("message", (message: Buffer) => pass(message.toString()));
    for (const [one, other] of [[browser, server], [server, browser]] as const) {
      one.on("close", () => other.close());
      one.on("error", () => other.terminate());
    }
  }

  /** Tampers with messages one after another, so that a slow `tamper` does not change their order. */
  private tamperInOrder(send: (message: string) => void): (message: string) => void {
    let last = Promise.resolve();
    return (message) => {
      this.messages.push(message);
      last = last.then(async () => (await this.tamper(message)).forEach(send)).catch(() => {});
    };
  }
}
