import { AppPage } from "../../support/app-page.ts";
import { expect, test } from "../../support/fixtures.ts";
import { Mouse } from "../../support/input-device.ts";
import { confirmationProof } from "../../support/interaction-proof.ts";
import { NodeClient } from "../../support/node-client.ts";

test("received money appears at once in the balance and the activity", async ({ account, context, server }) => {
  await account.waitUntilLive();
  const tab = await context.newPage();
  const other = new AppPage(tab, account.origin, new Mouse(tab));
  await other.open("/activity");
  await other.waitUntilLive();
  const payer = await NodeClient.registered(server);
  await pay(payer, account.user, 1200);
  await expect(account.balance).toHaveText("1,012.00 EUR");
  await expect(account.history.getByRole("row").filter({ hasText: "+12.00 EUR" })).toHaveCount(1);
  await expect(other.page.getByRole("cell", { name: "Another user sent you something" })).toHaveCount(1);
});

/** Case 23: the transfers of another user displace no earlier ones. */
test("many small transfers leave the whole history readable", async ({ account, server }) => {
  const own = await NodeClient.signedIn(server, account.user);
  const recipient = await NodeClient.registered(server);
  await pay(own, recipient.name, 4200);
  for (let payers = 0; payers < 2; payers++) {
    const payer = await NodeClient.registered(server);
    for (let count = 0; count < 55; count++) await pay(payer, account.user, 1);
  }
  await account.page.reload();
  const rows = account.history.getByRole("row").filter({ hasText: "EUR" });
  await expect(rows).toHaveCount(61);
  await account.input.activate(account.button("Show earlier transactions"));
  await expect(rows).toHaveCount(111);
  await expect(rows.last()).toContainText("−42.00 EUR");
  await expect(account.button("Show earlier transactions")).toHaveCount(0);
});

async function pay(payer: NodeClient, to: string, amount: number): Promise<void> {
  const body = JSON.stringify({ to, amount, note: "" });
  const paid = await payer.call({ path: "/api/transfer", body, proof: confirmationProof("transfer") });
  expect(paid.status, paid.body).toBe(200);
}
