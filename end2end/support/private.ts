import { expect } from "@playwright/test";
import type { Bank } from "./bank.ts";
import { Client } from "./client.ts";
import { token } from "./injected.ts";
import type { House } from "./servers.ts";

/** What a thief would like to have of an account. */
export interface Loot {
  /** The `Cookie` header. */
  cookie: string;
  /** Texts that only the owner may see. */
  secrets: string[];
}

/** Gives an account things worth hiding, each by a text that stands nowhere else. */
export async function signedIn(account: Bank, house: House): Promise<Loot> {
  const friend = await Client.registered(house);
  const displayName = `Secretive ${account.user}`;
  await account.renamed(displayName);
  const note = `for ${account.user}'s eyes`;
  await account.order({ to: friend.name, amount: "123.45", note });
  await account.confirm("Send 123.45 EUR");
  await expect(account.balance).toHaveText("876.55 EUR");
  return { cookie: `__Host-pan=${await token(account.page)}`, secrets: [displayName, note, friend.name, "876.55", "123.45"] };
}
