import { waitUntilReady } from "../support/app-page.ts";
import { test } from "../support/firefox-authenticator.ts";
import { expect } from "../support/fixtures.ts";
import { NodeClient } from "../support/node-client.ts";
import { addPasskey, assertIn, confirmWithPasskey, createIn, signInWithButton } from "../support/passkeys.ts";

test("a passkey is added, signs in without a password, and is removed", { tag: "@firefox" }, async ({ account, key, page, server }) => {
  await addPasskey(account, key, "Phone");
  expect(await key.relyingParties()).toEqual([new URL(server.sign).hostname]);
  await account.signOut();
  await signInWithButton(page, server);
  await expect(page).toHaveURL(`${server.app}/account`);
  await account.expectLoaded();
  await account.open("/passkeys");
  await account.input.activate(account.button("Remove Phone"));
  await confirmWithPasskey(account, key, "Remove passkey");
  await expect(page.getByText("You have no passkey yet.")).toBeVisible();
});

test("attack 30: no page of the app origin and no frame can use a passkey", { tag: "@firefox" }, async ({ account, context, key, page, server }) => {
  await addPasskey(account, key, "Phone");
  await account.open("/account");
  await account.expectLoaded();
  const rpId = new URL(server.sign).hostname;
  const frame = page.frames().find((frame) => frame.url().startsWith(server.sign));
  const options = { challenge: Buffer.alloc(32), rpId };
  // Firefox does not know the policy that forbids it in Chromium, but the passkey belongs to the sign origin's host.
  const places = [["SecurityError", page], ["NotAllowedError", frame ?? page]] as const;
  for (const [error, place] of places) {
    expect(await assertIn(place, options)).toBe(error);
    expect(await createIn(place, options)).toBe(error);
  }
  // The positive control.
  const signPage = await context.newPage();
  await signPage.goto(`${server.sign}/sign-in`);
  await waitUntilReady(signPage);
  const user = new NodeClient(server);
  const reply = await user.signInWithPasskey((challenge) => assertIn(signPage, { challenge, rpId }));
  expect(reply.status, reply.body).toBe(200);
});

// <demo>
test("attack 30: malware that drives the browser cannot send 500 EUR without the passkey", { tag: "@firefox" }, async ({ account, key, server }) => {
  const friend = await NodeClient.registered(server);
  await addPasskey(account, key, "Phone");
  await account.open("/account");
  await account.submitTransfer({ to: friend.name, amount: "500", note: "" });
  await confirmWithPasskey(account, key, "Send 500.00 EUR");
  await expect(account.balance, "the positive control").toHaveText("500.00 EUR");
  await key.remove();
  await account.submitTransfer({ to: friend.name, amount: "500", note: "" });
  const window = await account.confirmationWindow();
  await account.input.forPage(window.page).activate(window.button("Send 500.00 EUR"));
  await expect(window.page.getByRole("heading", { name: "The passkey was not used" })).toBeVisible();
  await window.page.close();
  await expect(account.alert).toContainText("This needs your passkey.");
});
// </demo>
