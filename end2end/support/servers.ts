import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const ROOT = resolve(import.meta.dirname, "../..");
const TARGET = resolve(ROOT, process.env["CARGO_TARGET_DIR"] ?? "target");

/** Where a server is. The two origins name `port`, wherever it really listens. */
export interface House {
  /** http://pan.localhost:PORT */
  app: string;
  /** http://sign.pan.localhost:PORT */
  sign: string;
  /** The port that the process listens on. */
  port: number;
}

/** The origins of a server whose browser-side port is `port`. */
export function houseAt(port: number, listen = port): House {
  return { app: `http://pan.localhost:${port}`, sign: `http://sign.pan.localhost:${port}`, port: listen };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (!address || typeof address === "string") throw new Error("no free port");
  return address.port;
}

/** Whether anybody takes connections at that port. */
export async function isOpen(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1", () => done(true)).on("error", () => done(false));
    socket.on("connect", () => socket.destroy());
  });
}

/** What a process writes: the last of it, and how much it was. */
class Output {
  readonly last: string[] = [];
  lines = 0;

  keep(text: string): void {
    this.lines += text.split("\n").length - 1;
    this.last.push(text);
    this.last.splice(0, this.last.length - 200);
  }
}

/** A process that a test started, and ends. */
export class Server {
  private constructor(
    private readonly name: string,
    private readonly process: ChildProcess,
    private readonly output: Output,
  ) {}

  static async start(name: string, file: string, args: string[], port: number, env: Record<string, string> = {}): Promise<Server> {
    // What cargo-leptos or a shell has set is for another server.
    const inherited = Object.entries(process.env).filter(
      ([key]) => !/^(LEPTOS_|PAN_|REDIS_|PORT$|ENVIRONMENT$|ALLOWED_ORIGINS$|MAX_REQUESTS|AUDIT_SECRET$|RUST_LOG$|.*_TTL$)/.test(key),
    );
    const child = spawn(file, args, { env: { ...Object.fromEntries(inherited), ...env }, stdio: ["ignore", "pipe", "pipe"] });
    const output = new Output();
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => output.keep(data.toString()));
    child.on("error", (error) => output.keep(String(error)));
    const server = new Server(name, child, output);
    await server.listening(port);
    return server;
  }

  /** How many lines it has written. */
  lines(): number {
    return this.output.lines;
  }

  /** What it wrote last. */
  log(): string {
    return this.output.last.join("");
  }

  /** Stops it where it is, lets it go on, or asks it to end. */
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGTERM"): void {
    this.process.kill(signal);
  }

  /** Ends it, and waits until it has ended. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (!this.isRunning()) return;
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill(signal);
    const ending = await Promise.race([ended, sleep(5_000, "late")]);
    if (ending === "late") {
      this.process.kill("SIGKILL");
      await ended;
    }
  }

  isRunning(): boolean {
    return this.process.pid !== undefined && this.process.exitCode === null && this.process.signalCode === null;
  }

  /** What it ended with by itself; null while it runs, and when it was killed. */
  exitCode(): number | null {
    return this.process.exitCode;
  }

  private async listening(port: number): Promise<void> {
    for (let tries = 0; tries < 300; tries++) {
      if (!this.isRunning()) break;
      if (await isOpen(port)) return;
      await sleep(100);
    }
    await this.stop();
    throw new Error(`${this.name} does not start:\n${this.log()}`);
  }
}

/** A folder that is removed when the tests are over. */
export async function workFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "pan-test-"));
}

export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

/** A real Redis on a free port. It writes its snapshot when it is ended, and reads it when it starts. */
export async function startRedis(folder: string, port: number): Promise<Server> {
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", "3600 1", "--appendonly", "no"];
  return Server.start("redis-server", "redis-server", args, port);
}

/** Has that Redis do something, such as `FLUSHALL`. */
export async function tellRedis(port: number, command: string): Promise<void> {
  await new Promise<void>((done, failed) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${command}\r\n`));
    socket.on("error", failed);
    socket.on("data", (answer) => {
      socket.destroy();
      if (answer.toString().startsWith("+OK")) done();
      else failed(new Error(answer.toString()));
    });
  });
}

/** Has that Redis write its snapshot now. */
export async function saveRedis(port: number): Promise<void> {
  await tellRedis(port, "SAVE");
}

export interface PanOptions {
  house: House;
  folder: string;
  /** The port of its Redis; without one it keeps everything in memory, with a snapshot in the folder. */
  redis?: number;
  env?: Record<string, string>;
}

/** The binary under test, which `cargo leptos build` made. */
function panBinary(): string {
  const file = join(TARGET, process.env["PAN_RELEASE"] ? "release" : "debug", "pan");
  if (!existsSync(file)) throw new Error(`${file} is not there: run cargo leptos build first`);
  return file;
}

/** Runs a command of the binary under test to its end. */
export async function runPan(args: string[], env: Record<string, string>): Promise<{ code: number; output: string }> {
  return new Promise((done) => {
    const settled = (error: { code?: unknown } | null, stdout: string, stderr: string) =>
      done({ code: error ? Number(error.code) : 0, output: stdout + stderr });
    execFile(panBinary(), args, { env: { PATH: process.env["PATH"] ?? "", ...env }, maxBuffer: 1e8 }, settled);
  });
}

/** Starts the server under test. */
export async function startPan({ house, folder, redis, env }: PanOptions): Promise<Server> {
  const file = panBinary();
  await mkdir(folder, { recursive: true });
  const settings = join(folder, `settings-${house.port}.toml`);
  await writeFile(
    settings,
    [
      `listen = "127.0.0.1:${house.port}"`,
      `origins = { app = "${house.app}", sign = "${house.sign}" }`,
      "[limits]",
      // All tests come from one address.
      "sign_ins_per_minute_and_address = 100000",
      "binds_per_minute_and_address = 100000",
      redis === undefined ? "[store]" : "[redis]",
      redis === undefined ? `snapshot = ${JSON.stringify(join(folder, "store.json"))}` : `url = "redis://127.0.0.1:${redis}"`,
    ].join("\n"),
  );
  return Server.start("pan", file, ["serve"], house.port, {
    PAN_SETTINGS: settings,
    LEPTOS_OUTPUT_NAME: "pan",
    LEPTOS_SITE_ROOT: join(TARGET, "site"),
    ...env,
  });
}
