import { MitmProxy } from "../mitm-proxy.ts";
import { startNginx } from "../nginx.ts";
import { freePort } from "../ports.ts";
import { createTemporaryFolder, removeFolder } from "../server-process.ts";
import { startPan, type TestServer } from "../test-server.ts";

/** WebKitGTK shares no cookies between hosts under `localhost`. These names are never looked up. */
const HOST = "pan.example.com";

/**
 * The deployment of docs/DEPLOYMENT.md over TLS: browser → nginx → a proxy that can tamper → PAN. WebKit keeps no `Secure`
 * cookie over http.
 */
export class TlsServers {
  private constructor(
    /** The origins, and the port of the tampering proxy, for requests from Node. */
    readonly server: TestServer,
    /** The port of nginx. */
    readonly https: number,
    readonly proxy: MitmProxy,
    private readonly stopAll: () => Promise<void>,
  ) {}

  static async start(): Promise<TlsServers> {
    const folder = await createTemporaryFolder();
    const server: TestServer = { app: `https://${HOST}`, sign: `https://sign.${HOST}`, port: await freePort() };
    const [https, http, listen] = [await freePort(), await freePort(), await freePort()];
    const started: { stop(): Promise<void> }[] = [];
    const stop = async () => {
      for (const running of started.reverse()) await running.stop();
      await removeFolder(folder);
    };
    try {
      started.push(await startPan({ server: { ...server, port: listen }, folder, env: { PAN_PUSH_KEYS_PER_MINUTE: "100" } }));
      const proxy = await MitmProxy.start(server, listen);
      started.push(proxy);
      started.push(await startNginx({ folder: `${folder}/nginx`, host: HOST, upstream: server.port, https, http }));
      return new TlsServers(server, https, proxy, stop);
    } catch (error) {
      await stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.stopAll();
  }
}
