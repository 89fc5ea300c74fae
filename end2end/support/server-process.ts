import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isPortOpen } from "./ports.ts";

/** Variables of cargo-leptos or of the developer's shell, which would configure the server under test. */
const NOT_INHERITED = /^(LEPTOS_|PAN_|REDIS_|PORT$|ENVIRONMENT$|ALLOWED_ORIGINS$|MAX_REQUESTS|AUDIT_SECRET$|RUST_LOG$|.*_TTL$)/;

/** The output of a process: the last 200 chunks, and the number of all lines. */
class Output {
  readonly chunks: string[] = [];
  lines = 0;

  append(text: string): void {
    this.lines += text.split("\n").length - 1;
    this.chunks.push(text);
    this.chunks.splice(0, this.chunks.length - 200);
  }
}

/** A server process that a test starts and stops: PAN, Redis or nginx. */
export class ServerProcess {
  private constructor(
    private readonly name: string,
    private readonly process: ChildProcess,
    private readonly output: Output,
  ) {}

  /** Starts an executable and waits until it accepts connections on `port`. */
  static async start(name: string, file: string, args: string[], port: number, env: Record<string, string> = {}): Promise<ServerProcess> {
    const inherited = Object.entries(process.env).filter(([key]) => !NOT_INHERITED.test(key));
    const child = spawn(file, args, { env: { ...Object.fromEntries(inherited), ...env }, stdio: ["ignore", "pipe", "pipe"] });
    const output = new Output();
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => output.append(data.toString()));
    child.on("error", (error) => output.append(String(error)));
    const started = new ServerProcess(name, child, output);
    await started.waitUntilListening(port);
    return started;
  }

  /** How many lines it has written to standard output and standard error. */
  lineCount(): number {
    return this.output.lines;
  }

  /** The end of its output. */
  log(): string {
    return this.output.chunks.join("");
  }

  /** Suspends it, resumes it, or asks it to terminate. */
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGTERM"): void {
    this.process.kill(signal);
  }

  /** Terminates it and waits for its exit; kills it after five seconds. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (!this.isRunning()) return;
    const exited = new Promise((done) => this.process.once("exit", done));
    this.process.kill(signal);
    const result = await Promise.race([exited, sleep(5_000, "timeout")]);
    if (result === "timeout") {
      this.process.kill("SIGKILL");
      await exited;
    }
  }

  isRunning(): boolean {
    return this.process.pid !== undefined && this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Its exit code; null while it runs, and if it was killed. */
  exitCode(): number | null {
    return this.process.exitCode;
  }

  private async waitUntilListening(port: number): Promise<void> {
    for (let tries = 0; tries < 300; tries++) {
      if (!this.isRunning()) break;
      if (await isPortOpen(port)) return;
      await sleep(100);
    }
    await this.stop();
    throw new Error(`${this.name} does not start:\n${this.log()}`);
  }
}

/** Creates a folder for the files of server processes. */
export async function createTemporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "pan-test-"));
}

export async function removeFolder(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}
