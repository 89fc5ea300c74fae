import { createServer, type IncomingHttpHeaders, request, type Server } from "node:http";
import type { TestServer } from "./test-server.ts";

/** Changes the headers of a request or of its response. */
export type ChangeHeaders = (headers: IncomingHttpHeaders, path: string) => void;

/** A proxy between browser and server that changes headers, as misconfigured proxies and security programs do. */
export class HeaderProxy {
  changeRequest: ChangeHeaders = () => {};
  changeResponse: ChangeHeaders = () => {};
  private readonly listener: Server;

  private constructor(serverPort: number) {
    this.listener = createServer((incoming, response) => {
      const { method, headers, url = "" } = incoming;
      this.changeRequest(headers, url);
      const outgoing = request({ host: "127.0.0.1", port: serverPort, method, path: url, headers }, (reply) => {
        this.changeResponse(reply.headers, url);
        response.writeHead(reply.statusCode ?? 502, reply.headers);
        reply.pipe(response);
      });
      outgoing.on("error", () => response.destroy());
      incoming.pipe(outgoing);
    });
  }

  /** Starts it on `server.port`, in front of a server that listens on `serverPort`. */
  static async start(server: TestServer, serverPort: number): Promise<HeaderProxy> {
    const proxy = new HeaderProxy(serverPort);
    await new Promise<void>((done) => proxy.listener.listen(server.port, "127.0.0.1", done));
    return proxy;
  }

  async stop(): Promise<void> {
    this.listener.closeAllConnections();
    await new Promise((done) => this.listener.close(done));
  }
}
