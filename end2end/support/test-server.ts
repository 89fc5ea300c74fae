import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ServerProcess } from "./server-process.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const TARGET = resolve(ROOT, process.env["CARGO_TARGET_DIR"] ?? "target");

/** The addresses of a server under test. A proxy in between makes the port of the origins differ from `port`. */
export interface TestServer {
  /** http://pan.localhost:PORT */
  app: string;
  /** http://sign.pan.localhost:PORT */
  sign: string;
  /** The port that the process listens on. */
  port: number;
}

/** A server whose origins have the port `port`. */
export function testServerAt(port: number, listen = port): TestServer {
  return { app: `http://pan.localhost:${port}`, sign: `http://sign.pan.localhost:${port}`, port: listen };
}

/** A server behind a proxy that terminates TLS on `port`. */
export function httpsTestServer(port: number, listen: number): TestServer {
  return { app: `https://pan.localhost:${port}`, sign: `https://sign.pan.localhost:${port}`, port: listen };
}

export interface PanOptions {
  server: TestServer;
  folder: string;
  /** The port of its Redis. Without one, it keeps sessions in memory and writes a snapshot into the folder. */
  redis?: number;
  env?: Record<string, string>;
}

/** The executable under test. `cargo leptos build` builds it. */
function panBinary(): string {
  const file = join(TARGET, process.env["PAN_RELEASE"] ? "release" : "debug", "pan");
  if (!existsSync(file)) throw new Error(`${file} does not exist. Run: cargo leptos build --bin-features ssr,tests`);
  return file;
}

/** Runs a subcommand of the executable under test until it exits. */
export async function runPan(args: string[], env: Record<string, string>): Promise<{ code: number; output: string }> {
  return new Promise((done) => {
    const exited = (error: { code?: unknown } | null, stdout: string, stderr: string) =>
      done({ code: error ? Number(error.code) : 0, output: stdout + stderr });
    execFile(panBinary(), args, { env: { PATH: process.env["PATH"] ?? "", ...env }, maxBuffer: 1e8 }, exited);
  });
}

/** Starts the server under test. */
export async function startPan({ server, folder, redis, env }: PanOptions): Promise<ServerProcess> {
  const file = panBinary();
  await mkdir(folder, { recursive: true });
  const settings = join(folder, `settings-${server.port}.toml`);
  await writeFile(
    settings,
    [
      `listen = "127.0.0.1:${server.port}"`,
      `origins = { app = "${server.app}", sign = "${server.sign}" }`,
      "[limits]",
      // All tests share one client IP.
      "sign_ins_per_minute_and_address = 100000",
      "binds_per_minute_and_address = 100000",
      redis === undefined ? "[store]" : "[redis]",
      redis === undefined ? `snapshot = ${JSON.stringify(join(folder, "store.json"))}` : `url = "redis://127.0.0.1:${redis}"`,
    ].join("\n"),
  );
  return ServerProcess.start("pan", file, ["serve"], server.port, {
    PAN_SETTINGS: settings,
    LEPTOS_OUTPUT_NAME: "pan",
    LEPTOS_SITE_ROOT: join(ROOT, "target/site"),
    ...env,
  });
}
