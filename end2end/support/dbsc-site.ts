import type { BrowserContext } from "@playwright/test";
import { existsSync, readFileSync } from "node:fs";
import { type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { join, resolve } from "node:path";
import { createCertificate } from "./certificate.ts";
import { launchDbscBrowser } from "./dbsc-browser.ts";
import { freePort } from "./ports.ts";
import { createTemporaryFolder, removeFolder, ServerProcess } from "./server-process.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const TARGET = resolve(ROOT, process.env["CARGO_TARGET_DIR"] ?? "target");

/** A request that reached the site, and the response. */
export interface Exchange {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  status: number;
  responseHeaders: IncomingHttpHeaders;
  body: string;
}

/** What the proxy does with a refresh. */
export type RefreshFault = "none" | "unavailable" | "reset";

/**
 * The example `sign-in` of the crate `dbsc`, behind a proxy that terminates TLS: browsers accept device bound sessions only
 * over https with a valid certificate. The proxy records all exchanges and can make refreshes fail.
 */
export class DbscSite {
  fault: RefreshFault = "none";
  private readonly all: Exchange[] = [];
  private forgotten = 0;
  private browser: BrowserContext | undefined;

  private constructor(
    readonly origin: string,
    private readonly folder: string,
    private readonly server: ServerProcess,
    private readonly serverPort: number,
    private readonly proxy: Server,
    /** The path of its certificate. */
    private readonly certificate: string,
  ) {
    proxy.on("request", (incoming: IncomingMessage, response: ServerResponse) => this.forward(incoming, response));
  }

  static async start(variables: Record<string, string>): Promise<DbscSite> {
    const file = join(TARGET, "debug/examples/sign-in");
    if (!existsSync(file)) throw new Error(`${file} does not exist. Run: cargo test -p dbsc --no-run`);
    const folder = await createTemporaryFolder();
    const { key, certificate } = createCertificate(folder, ["pan.localhost"]);
    const [https, http] = [await freePort(), await freePort()];
    const origin = `https://pan.localhost:${https}`;
    const env = { PORT: `${http}`, ORIGIN: origin, ...variables };
    const server = await ServerProcess.start("sign-in", file, [], http, env);
    const proxy = createServer({ key: readFileSync(key), cert: readFileSync(certificate) });
    await new Promise<void>((done) => proxy.listen(https, "127.0.0.1", done));
    return new DbscSite(origin, folder, server, http, proxy, certificate);
  }

  async launch(): Promise<BrowserContext> {
    this.browser = await launchDbscBrowser(join(this.folder, "profile"), this.certificate);
    return this.browser;
  }

  /** Sends a request without the browser. */
  async send(method: string, path: string, headers: Record<string, string>, body = ""): Promise<Exchange> {
    return new Promise((done, failed) => {
      const options = { host: "127.0.0.1", port: this.serverPort, method, path, headers };
      const sent = request(options, (response) => this.record({ method, path, headers }, response, done));
      sent.on("error", failed).end(body);
    });
  }

  /** The exchanges since the last call of `forget`, in the order of the responses. */
  get exchanges(): Exchange[] {
    return this.all.slice(this.forgotten);
  }

  /** Those of a path. */
  of(path: string): Exchange[] {
    return this.exchanges.filter((exchange) => exchange.path === path);
  }

  forget(): void {
    this.forgotten = this.all.length;
  }

  /** All exchanges with their headers for device bound sessions. */
  log(): string {
    const shown = /^(secure-session-|sec-secure-session-|sec-fetch-(mode|dest|site)|origin|cookie|set-cookie)/;
    const named = (headers: IncomingHttpHeaders) =>
      Object.entries(headers)
        .filter(([name]) => shown.test(name))
        .map(([name, value]) => `${name}: ${String(value)}`);
    return this.all
      .filter(({ path }) => path !== "/favicon.ico")
      .map(({ method, path, headers, status, responseHeaders, body }) => {
        const json = body.startsWith("{") ? [body] : [];
        return [`> ${method} ${path}`, ...named(headers), `< ${status}`, ...named(responseHeaders), ...json].join("\n");
      })
      .join("\n\n");
  }

  async stop(): Promise<void> {
    await this.browser?.close();
    this.proxy.closeAllConnections();
    this.proxy.close();
    await this.server.stop();
    await removeFolder(this.folder);
  }

  private forward(incoming: IncomingMessage, response: ServerResponse): void {
    const { method = "GET", url: path = "/", headers } = incoming;
    if (path === "/dbsc/refresh" && this.fault === "reset") return void incoming.socket.destroy();
    if (path === "/dbsc/refresh" && this.fault === "unavailable") return void response.writeHead(503).end();
    const options = { host: "127.0.0.1", port: this.serverPort, method, path, headers };
    const sent = request(options, (answer) =>
      this.record({ method, path, headers }, answer, ({ status, body }) => response.writeHead(status, answer.headers).end(body)),
    );
    sent.on("error", () => response.writeHead(502).end());
    incoming.pipe(sent);
  }

  private record(
    sent: Pick<Exchange, "method" | "path" | "headers">,
    response: IncomingMessage,
    done: (exchange: Exchange) => void,
  ): void {
    let body = "";
    response.setEncoding("utf8").on("data", (text: string) => (body += text));
    response.on("end", () => {
      const exchange = { ...sent, status: response.statusCode ?? 0, responseHeaders: response.headers, body };
      this.all.push(exchange);
      done(exchange);
    });
  }
}
