import { Middle } from "./middle.ts";
import { freePort, type House, houseAt, removeFolder, type Server, startPan, startRedis, workFolder } from "./servers.ts";

/** Servers of one test's own, which end with it. */
export class Own {
  private running: { stop(signal?: NodeJS.Signals): Promise<void> }[] = [];

  private constructor(
    /** Which store its servers have. */
    readonly store: "memory" | "redis",
    readonly folder: string,
    readonly house: House,
    /** The port of its Redis. */
    readonly port: number,
  ) {}

  static async with(store: "memory" | "redis", use: (own: Own) => Promise<void>): Promise<void> {
    const own = new Own(store, await workFolder(), houseAt(await freePort()), await freePort());
    try {
      await use(own);
    } finally {
      await own.stop();
      await removeFolder(own.folder);
    }
  }

  /** Starts its Redis, with what was saved in the folder. */
  async startRedis(folder = this.folder): Promise<Server> {
    return this.keep(await startRedis(folder, this.port));
  }

  /** Starts what keeps the sessions, unless it is the server itself. */
  async startStore(folder = this.folder): Promise<void> {
    if (this.store === "redis") await this.startRedis(folder);
  }

  /** Starts a server. `listen` is its port, if it is not the one that the origins name. */
  async startServer(
    env: Record<string, string> = {},
    { folder = this.folder, redis = this.store === "redis", listen = this.house.port } = {},
  ): Promise<Server> {
    return this.keep(await startPan({ house: { ...this.house, port: listen }, folder, env, ...(redis && { redis: this.port }) }));
  }

  /** Puts somebody between the browser and a server that listens on `port`. */
  async startMiddle(port: number): Promise<Middle> {
    return this.keep(await Middle.between(this.house, port));
  }

  /** Ends all that runs, the last first. */
  async stop(signal?: NodeJS.Signals): Promise<void> {
    for (const server of this.running.splice(0).reverse()) await server.stop(signal);
  }

  private keep<T extends { stop(signal?: NodeJS.Signals): Promise<void> }>(server: T): T {
    this.running.push(server);
    return server;
  }
}
