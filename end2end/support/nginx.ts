import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createCertificate } from "./certificate.ts";
import { ServerProcess } from "./server-process.ts";

const ROOT = resolve(import.meta.dirname, "../..");

export interface NginxOptions {
  folder: string;
  /** The host of the app origin. */
  host?: string;
  /** The port of the PAN server behind nginx. */
  upstream: number;
  /** The ports that nginx listens on. */
  https: number;
  http: number;
}

/** Starts nginx with the configuration in docs/DEPLOYMENT.md; only names, ports and the certificate differ. */
export async function startNginx({ folder, host = "pan.localhost", upstream, https, http }: NginxOptions): Promise<ServerProcess> {
  await mkdir(folder, { recursive: true });
  const { key, certificate } = createCertificate(folder, [host, `sign.${host}`]);
  const replacements = {
    "server 127.0.0.1:3000;": `server 127.0.0.1:${upstream};`,
    "listen 80;": `listen 127.0.0.1:${http};`,
    "listen 443 ssl http2;": `listen 127.0.0.1:${https} ssl http2;`,
    "/etc/ssl/example.com.pem;": `${certificate};`,
    "/etc/ssl/example.com.key;": `${key};`,
  };
  let example = await documentedConfiguration();
  for (const [documented, replacement] of Object.entries(replacements)) {
    if (!example.includes(documented)) throw new Error(`the example in docs/DEPLOYMENT.md does not contain: ${documented}`);
    example = example.replace(documented, replacement);
  }
  example = example.replaceAll("example.com", host);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${join(folder, kind)};`);
  const configuration = join(folder, "nginx.conf");
  await writeFile(
    configuration,
    [
      // When root starts nginx, its workers change to another user, who may not use the folder.
      process.getuid?.() === 0 ? "user root;" : "",
      `daemon off; worker_processes 1; pid ${join(folder, "nginx.pid")}; error_log stderr;`,
      `events {} http { access_log off; ${temporary.join(" ")} ${example} }`,
    ].join("\n"),
  );
  const nginx = execFileSync(join(ROOT, "scripts/nginx.sh"), { encoding: "utf8" }).trim();
  return ServerProcess.start("nginx", nginx, ["-c", configuration, "-p", folder, "-e", "stderr"], https);
}

async function documentedConfiguration(): Promise<string> {
  const text = await readFile(join(ROOT, "docs/DEPLOYMENT.md"), "utf8");
  const example = text.match(/```nginx\n([^`]*)```/)?.[1];
  if (!example) throw new Error("docs/DEPLOYMENT.md has no nginx example");
  return example;
}
