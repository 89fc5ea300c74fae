import { test as base, expect } from "@playwright/test";
import { Bank, newName } from "./bank.ts";
import { Client } from "./client.ts";
import { Mouse } from "./hand.ts";
import { Own } from "./own.ts";
import type { House } from "./servers.ts";
import { houses } from "./setup.ts";

export interface Options {
  /** Which store the server under test has. */
  store: "memory" | "redis";
}

interface Fixtures {
  house: House;
  /** The application in a fresh browser, worked with a mouse. */
  bank: Bank;
  /** The same, registered and signed in. */
  account: Bank;
  /** Somebody registered and signed in, in plain Node. */
  client: Client;
  /** Servers of the test's own, none started yet. */
  own: Own;
}

export const test = base.extend<Options & Fixtures>({
  store: ["memory", { option: true }],
  house: async ({ store }, use) => use(houses()[store]),
  bank: async ({ page, house }, use) => use(new Bank(page, house.app, new Mouse(page))),
  account: async ({ bank }, use) => {
    await bank.appear(newName());
    await use(bank);
  },
  client: async ({ house }, use) => use(await Client.registered(house)),
  own: async ({ store }, use) => Own.with(store, use),
});

export { expect };
