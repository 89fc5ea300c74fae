import type { BrowserContext } from "@playwright/test";
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { launchDbscBrowser } from "./dbsc-browser.ts";
import { LossyProxy } from "./lossy-proxy.ts";
import { startNginx } from "./nginx.ts";
import { freePort } from "./ports.ts";
import { createTemporaryFolder, removeFolder } from "./server-process.ts";
import { httpsTestServer, startPan, type TestServer } from "./test-server.ts";

/** The files that malware copies: cookies, and the keys of the pages. Chromium's device keys are in other files. */
const COPIED = ["Local State", "Default/Cookies", "Default/Network/Cookies", "Default/IndexedDB", "Default/Local Storage"];

/** PAN over TLS, with browsers that bind sessions to devices: browser → nginx → a proxy that loses requests → PAN. */
export class DeviceServers {
  private readonly browsers: BrowserContext[] = [];

  private constructor(
    readonly server: TestServer,
    readonly proxy: LossyProxy,
    private readonly folder: string,
    private readonly stopAll: () => Promise<void>,
  ) {}

  static async start(env: Record<string, string>): Promise<DeviceServers> {
    const folder = await createTemporaryFolder();
    const [https, http, listen, lossy] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const server = httpsTestServer(https, lossy);
    const started: { stop(): Promise<void> }[] = [];
    const stop = async () => {
      for (const running of started.reverse()) await running.stop();
      await removeFolder(folder);
    };
    try {
      started.push(await startPan({ server: { ...server, port: listen }, folder, env }));
      const proxy = await LossyProxy.start(server, listen);
      started.push(proxy, await startNginx({ folder: join(folder, "nginx"), upstream: lossy, https, http }));
      return new DeviceServers(server, proxy, folder, stop);
    } catch (error) {
      await stop();
      throw error;
    }
  }

  /** Starts a browser on this profile. */
  async launch(profile: string): Promise<BrowserContext> {
    const browser = await launchDbscBrowser(join(this.folder, profile), join(this.folder, "nginx/certificate.pem"));
    this.browsers.push(browser);
    return browser;
  }

  /** Copies what malware would copy of a profile whose browser is closed. */
  async copyProfile(from: string, to: string): Promise<void> {
    await mkdir(join(this.folder, to, "Default/Network"), { recursive: true });
    for (const file of COPIED) {
      const copied = cp(join(this.folder, from, file), join(this.folder, to, file), { recursive: true });
      // Where Chromium keeps its cookies depends on its version.
      await copied.catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
      });
    }
  }

  async stop(): Promise<void> {
    for (const browser of this.browsers) await browser.close();
    await this.stopAll();
  }
}
