import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** Creates a key and its own certificate for some hosts, as PEM files. */
export function createCertificate(folder: string, hosts: string[]): { key: string; certificate: string } {
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const names = `subjectAltName=${hosts.map((host) => `DNS:${host}`).join()}`;
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"].concat(
      ["-subj", `/CN=${hosts[0]}`, "-addext", names, "-keyout", key, "-out", certificate],
    ),
    { stdio: "pipe" },
  );
  return { key, certificate };
}
