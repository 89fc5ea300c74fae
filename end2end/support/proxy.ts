import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type House, Server } from "./servers.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** The origins of a server behind a proxy that ends TLS at `port`. */
export function secureHouseAt(port: number, listen: number): House {
  return { app: `https://pan.localhost:${port}`, sign: `https://sign.pan.localhost:${port}`, port: listen };
}

export interface Proxied {
  folder: string;
  /** The port of the server behind it. */
  server: number;
  /** Where it takes https, and where plain http. */
  https: number;
  http: number;
}

/** The proxy that docs/DEPLOYMENT.md shows: its very text, with names, ports and a certificate of this test's own. */
export async function startProxy({ folder, server, https, http }: Proxied): Promise<Server> {
  await mkdir(folder, { recursive: true });
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const names = "subjectAltName=DNS:pan.localhost,DNS:sign.pan.localhost";
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"].concat(
      ["-subj", "/CN=pan.localhost", "-addext", names, "-keyout", key, "-out", certificate],
    ),
    { stdio: "pipe" },
  );
  const replacements = {
    "server 127.0.0.1:3000;": `server 127.0.0.1:${server};`,
    "listen 80;": `listen 127.0.0.1:${http};`,
    "listen 443 ssl http2;": `listen 127.0.0.1:${https} ssl http2;`,
    "/etc/ssl/example.com.pem;": `${certificate};`,
    "/etc/ssl/example.com.key;": `${key};`,
  };
  let example = await shown();
  for (const [shown, ours] of Object.entries(replacements)) {
    if (!example.includes(shown)) throw new Error(`the example does not say ${shown}`);
    example = example.replace(shown, ours);
  }
  example = example.replaceAll("example.com", "pan.localhost");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${join(folder, kind)};`);
  const configuration = join(folder, "nginx.conf");
  await writeFile(
    configuration,
    [
      // Started by root, its workers would be somebody who may not use the folder.
      process.getuid?.() === 0 ? "user root;" : "",
      `daemon off; worker_processes 1; pid ${join(folder, "nginx.pid")}; error_log stderr;`,
      `events {} http { access_log off; ${temporary.join(" ")} ${example} }`,
    ].join("\n"),
  );
  const nginx = execFileSync(join(ROOT, "scripts/nginx.sh"), { encoding: "utf8" }).trim();
  return Server.start("nginx", nginx, ["-c", configuration, "-p", folder, "-e", "stderr"], https);
}

/** The example of the document. */
async function shown(): Promise<string> {
  const text = await readFile(join(ROOT, "docs/DEPLOYMENT.md"), "utf8");
  const example = text.match(/```nginx\n([^`]*)```/)?.[1];
  if (!example) throw new Error("docs/DEPLOYMENT.md shows no nginx");
  return example;
}
