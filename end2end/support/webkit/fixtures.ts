import { test as base, expect } from "@playwright/test";
import { newUserName } from "../app-page.ts";
import type { MitmProxy } from "../mitm-proxy.ts";
import { NodeClient } from "../node-client.ts";
import type { TestServer } from "../test-server.ts";
import { WebKitAppPage } from "./app-page.ts";
import { TlsServers } from "./tls-servers.ts";
import { VirtualScreen, WebKitBrowser } from "./webkit-browser.ts";
import type { WebKitPage } from "./webkit-page.ts";

interface WorkerFixtures {
  display: VirtualScreen;
  servers: TlsServers;
}

interface Fixtures {
  server: TestServer;
  /** The proxy between nginx and the server. After the test it passes everything through. */
  mitm: MitmProxy;
  /** Starts another browser, for example the thief's. It stops when the test ends. */
  startBrowser: () => Promise<WebKitBrowser>;
  window: WebKitPage;
  /** The application in a fresh browser. */
  visitor: WebKitAppPage;
  /** The same, registered and signed in. */
  account: WebKitAppPage;
  /** A registered and signed-in user without a browser. */
  client: NodeClient;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  display: [
    async ({}, use) => {
      const display = await VirtualScreen.start();
      await use(display);
      await display.stop();
    },
    { scope: "worker" },
  ],
  servers: [
    async ({}, use) => {
      const servers = await TlsServers.start();
      await use(servers);
      await servers.stop();
    },
    { scope: "worker" },
  ],
  server: async ({ servers }, use) => use(servers.server),
  mitm: async ({ servers }, use) => {
    await use(servers.proxy);
    servers.proxy.reset();
  },
  startBrowser: async ({ display, servers }, use) => {
    const started: WebKitBrowser[] = [];
    await use(async () => {
      const browser = await WebKitBrowser.start(display, servers.https);
      started.push(browser);
      return browser;
    });
    for (const browser of started) await browser.stop();
  },
  window: async ({ startBrowser }, use) => use(await (await startBrowser()).firstPage()),
  visitor: async ({ window, server }, use) => use(new WebKitAppPage(window, server)),
  account: async ({ visitor }, use) => {
    await visitor.registerQuickly(newUserName());
    await use(visitor);
  },
  client: async ({ server }, use) => use(await NodeClient.registered(server)),
});

export { expect };
