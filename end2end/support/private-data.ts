// <demo>
import { expect } from "@playwright/test";
// </demo>
import type { AppPage } from "./app-page.ts";
// <demo>
import { NodeClient } from "./node-client.ts";
// </demo>
import type { TestServer } from "./test-server.ts";

/** Private data of an account, which a thief wants. */
export interface PrivateData {
  /** The `Cookie` header. */
  cookie: string;
  /** Texts that only the owner may see. */
  secrets: string[];
}

/** Gives an account private data. Each text is unique, so that a test can search for it. */
export async function createPrivateData(account: AppPage, server: TestServer): Promise<PrivateData> {
  const displayName = `Secretive ${account.user}`;
  await account.changeName(displayName);
  const secrets = [displayName];
  // <demo>
  const friend = await NodeClient.registered(server);
  const note = `for ${account.user}'s eyes`;
  await account.submitTransfer({ to: friend.name, amount: "123.45", note });
  await account.confirm("Send 123.45 EUR");
  await expect(account.balance).toHaveText("876.55 EUR");
  secrets.push(note, friend.name, "876.55", "123.45");
  // </demo>
  const cookies = await account.page.context().cookies(server.app);
  return { cookie: `__Host-pan=${cookies.find(({ name }) => name === "__Host-pan")?.value}`, secrets };
}
