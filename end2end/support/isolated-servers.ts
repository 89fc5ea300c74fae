import { HeaderProxy } from "./header-proxy.ts";
import { LossyProxy } from "./lossy-proxy.ts";
import { MitmProxy } from "./mitm-proxy.ts";
import { freePort } from "./ports.ts";
import { startRedis } from "./redis.ts";
import { createTemporaryFolder, removeFolder, type ServerProcess } from "./server-process.ts";
import { startPan, type TestServer, testServerAt } from "./test-server.ts";

interface Stoppable {
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Servers that one test starts for itself. They stop when the test ends. */
export class IsolatedServers {
  private running: Stoppable[] = [];

  private constructor(
    /** The store of its servers. */
    readonly store: "memory" | "redis",
    readonly folder: string,
    readonly server: TestServer,
    readonly redisPort: number,
  ) {}

  static async use(store: "memory" | "redis", use: (isolated: IsolatedServers) => Promise<void>): Promise<void> {
    const isolated = new IsolatedServers(store, await createTemporaryFolder(), testServerAt(await freePort()), await freePort());
    try {
      await use(isolated);
    } finally {
      await isolated.stop();
      await removeFolder(isolated.folder);
    }
  }

  /** Starts Redis with the snapshot in the folder, if there is one. */
  async startRedis(folder = this.folder): Promise<ServerProcess> {
    return this.track(await startRedis(folder, this.redisPort));
  }

  /** Starts Redis, unless the server keeps its sessions in memory. */
  async startStore(folder = this.folder): Promise<void> {
    if (this.store === "redis") await this.startRedis(folder);
  }

  /** Starts a PAN server. `listen` is its port if that differs from the port of the origins. */
  async startServer(
    env: Record<string, string> = {},
    { folder = this.folder, redis = this.store === "redis", listen = this.server.port } = {},
  ): Promise<ServerProcess> {
    return this.track(await startPan({ server: { ...this.server, port: listen }, folder, env, ...(redis && { redis: this.redisPort }) }));
  }

  /** Starts a proxy between the browser and the server that listens on `port`. */
  async startMitmProxy(port: number): Promise<MitmProxy> {
    return this.track(await MitmProxy.start(this.server, port));
  }

  /** Starts a server behind a proxy that can hold requests. */
  async startHeldServer(): Promise<MitmProxy> {
    await this.startStore();
    const listen = await freePort();
    await this.startServer({}, { listen });
    return this.startMitmProxy(listen);
  }

  /** Starts a server behind a proxy that can lose requests and responses. */
  async startLossyServer(): Promise<LossyProxy> {
    await this.startStore();
    const listen = await freePort();
    await this.startServer({}, { listen });
    return this.track(await LossyProxy.start(this.server, listen));
  }

  /** Starts a server behind a proxy that can change headers. */
  async startServerWithChangedHeaders(): Promise<HeaderProxy> {
    await this.startStore();
    const listen = await freePort();
    await this.startServer({}, { listen });
    return this.track(await HeaderProxy.start(this.server, listen));
  }

  /** Stops everything that it started, the last first. */
  async stop(signal?: NodeJS.Signals): Promise<void> {
    for (const started of this.running.splice(0).reverse()) await started.stop(signal);
  }

  private track<T extends Stoppable>(started: T): T {
    this.running.push(started);
    return started;
  }
}
