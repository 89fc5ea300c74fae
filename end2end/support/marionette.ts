import { connect, type Socket } from "node:net";

type Reply = (error: { message: string } | null, result: unknown) => void;

/** A client of Marionette, Firefox's remote protocol, for what Playwright cannot do: packets of a length, `:`, and JSON. */
export class Marionette {
  private received = Buffer.alloc(0);
  private readonly waiting = new Map<number, Reply>();
  private last = 0;

  private constructor(private readonly socket: Socket) {
    socket.on("data", (data) => this.read(data));
  }

  /** Connects to a Firefox that was started with `--marionette`. */
  static async connect(port: number): Promise<Marionette> {
    const socket = connect({ host: "127.0.0.1", port });
    await new Promise<void>((connected, failed) => socket.once("connect", connected).once("error", failed));
    return new Marionette(socket);
  }

  async send<Result>(command: string, parameters: object): Promise<Result> {
    const id = ++this.last;
    const packet = JSON.stringify([0, id, command, parameters]);
    this.socket.write(`${Buffer.byteLength(packet)}:${packet}`);
    return new Promise((resolve, reject) => {
      this.waiting.set(id, (error, result) => (error ? reject(new Error(`${command}: ${error.message}`)) : resolve(result as Result)));
    });
  }

  /** Ends the browser. With Marionette, closing it in Playwright takes half a minute. */
  async quit(): Promise<void> {
    await this.send("Marionette:Quit", { flags: ["eForceQuit"] });
    this.socket.destroy();
  }

  private read(data: Buffer): void {
    this.received = Buffer.concat([this.received, data]);
    for (;;) {
      const colon = this.received.indexOf(":");
      const end = colon + 1 + Number(this.received.subarray(0, Math.max(colon, 0)));
      if (colon < 0 || this.received.length < end) return;
      const packet: unknown = JSON.parse(this.received.subarray(colon + 1, end).toString());
      this.received = this.received.subarray(end);
      // The first packet is the browser's greeting.
      if (!Array.isArray(packet)) continue;
      const [, id, error, result] = packet as [number, number, { message: string } | null, unknown];
      this.waiting.get(id)?.(error, result);
      this.waiting.delete(id);
    }
  }
}
