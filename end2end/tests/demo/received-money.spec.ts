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
  const body = JSON.stringify({ to: account.user, amount: 1200, note: "" });
  const paid = await payer.call({ path: "/api/transfer", body, proof: confirmationProof("transfer") });
  expect(paid.status, paid.body).toBe(200);
  await expect(account.balance).toHaveText("1,012.00 EUR");
  await expect(account.history.getByRole("row").filter({ hasText: "+12.00 EUR" })).toHaveCount(1);
  await expect(other.page.getByRole("cell", { name: "Another user sent you something" })).toHaveCount(1);
});
