import { test as base, expect } from "@playwright/test";
import { AppPage, newUserName } from "./app-page.ts";
import { sharedServers } from "./global-setup.ts";
import { Mouse } from "./input-device.ts";
import { IsolatedServers } from "./isolated-servers.ts";
import { NodeClient } from "./node-client.ts";
import type { TestServer } from "./test-server.ts";

export interface Options {
  /** The store of the server under test. */
  store: "memory" | "redis";
}

interface Fixtures {
  /** The server that all tests share. */
  server: TestServer;
  /** The application in a fresh browser, used with a mouse. */
  visitor: AppPage;
  /** The same, registered and signed in. */
  account: AppPage;
  /** A registered and signed-in user without a browser. */
  client: NodeClient;
  /** Servers for this test only, none started yet. */
  isolated: IsolatedServers;
}

export const test = base.extend<Options & Fixtures>({
  store: ["memory", { option: true }],
  server: async ({ store }, use) => use(sharedServers()[store]),
  visitor: async ({ page, server }, use) => use(new AppPage(page, server.app, new Mouse(page))),
  account: async ({ visitor }, use) => {
    await visitor.registerQuickly(newUserName());
    await use(visitor);
  },
  client: async ({ server }, use) => use(await NodeClient.registered(server)),
  isolated: async ({ store }, use) => IsolatedServers.use(store, use),
});

export { expect };
