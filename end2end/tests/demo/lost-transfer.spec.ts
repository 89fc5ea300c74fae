import { AppPage, newUserName } from "../../support/app-page.ts";
import { expect, test } from "../../support/fixtures.ts";
import { Mouse } from "../../support/input-device.ts";
import type { Loss } from "../../support/lossy-proxy.ts";
import { NodeClient } from "../../support/node-client.ts";

const AMOUNT = { amount: "5", note: "" };

for (const loss of ["response", "rest of the response"] as Loss[]) {
  test(`a transfer whose ${loss} is lost moves money once, and the page says so`, async ({ isolated, page }) => {
    const proxy = await isolated.startLossyServer();
    const visitor = new AppPage(page, isolated.server.app, new Mouse(page));
    await visitor.registerQuickly(newUserName());
    const friend = await NodeClient.registered(isolated.server);
    proxy.lose(loss, "/api/transfer");
    await visitor.submitTransfer({ to: friend.name, ...AMOUNT });
    await visitor.confirm("Send 5.00 EUR");
    await expect(visitor.status.filter({ hasText: `Sent 5.00 EUR to ${friend.name}.` })).toHaveCount(1);
    await expect(visitor.balance).toHaveText("995.00 EUR");
    await expect(visitor.alert).toHaveCount(0);
    expect(visitor.windows, "no second confirmation").toHaveLength(1);
  });
}

test("a transfer that is declined says so even if the response is lost", async ({ isolated, page }) => {
  const proxy = await isolated.startLossyServer();
  const visitor = new AppPage(page, isolated.server.app, new Mouse(page));
  await visitor.registerQuickly(newUserName());
  proxy.lose("rest of the response", "/api/transfer");
  await visitor.submitTransfer({ to: "no-such-user", ...AMOUNT });
  await visitor.confirm("Send 5.00 EUR");
  await expect(visitor.alert).toHaveText("No user named no-such-user. Check the spelling.");
  await expect(visitor.balance).toHaveText("1,000.00 EUR");
});

test("a transfer that never reaches the server moves nothing, and the page says so", async ({ isolated, page }) => {
  const proxy = await isolated.startLossyServer();
  const visitor = new AppPage(page, isolated.server.app, new Mouse(page));
  await visitor.registerQuickly(newUserName());
  const friend = await NodeClient.registered(isolated.server);
  proxy.lose("request", "/api/transfer", 100);
  await visitor.submitTransfer({ to: friend.name, ...AMOUNT });
  await visitor.confirm("Send 5.00 EUR");
  await expect(visitor.alert).toContainText("Nothing was changed. Try again.");
  await page.reload();
  await expect(visitor.balance).toHaveText("1,000.00 EUR");
});
