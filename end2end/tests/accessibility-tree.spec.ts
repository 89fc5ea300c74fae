import type { Page } from "@playwright/test";
import { liveRegions, outline } from "../support/accessibility-tree.ts";
import { expect, test } from "../support/fixtures.ts";
import { NodeClient } from "../support/node-client.ts";

/** Checks that `act` changes the text of a live region that was there before. */
async function expectAnnounced(page: Page, live: "polite" | "assertive", text: string | RegExp, act: () => Promise<unknown>): Promise<void> {
  const before = await liveRegions(page);
  await act();
  const changed = async () => [...(await liveRegions(page))].filter(([id, region]) => before.has(id) && before.get(id)?.text !== region.text).map(([, region]) => region);
  await expect.poll(changed, { message: `${text} is announced` }).toContainEqual({ live, text: typeof text === "string" ? text : expect.stringMatching(text) });
}

const HEADER = ["banner", "link Skip to content", "link PAN", "navigation Main"];
const SIGNED_IN = [...HEADER, "link Account", "link Sessions", "link Activity", "DisclosureTriangle Notifications: nothing new", "button Sign out"];

test("landmarks, headings and controls have their names in the accessibility tree", async ({ visitor, server, page }) => {
  await visitor.open("/");
  expect(await outline(page)).toEqual([
    ...[...HEADER, "link Register", "link Sign in", "main", "heading PAN", "link Open an account"],
    ...["list", "heading Isolated", "heading Signed", "heading Confirmed"],
  ]);
  await page.goto(`${server.sign}/sign-in`);
  await page.getByRole("button", { name: "Show password" }).click();
  const form = ["textbox User name", "textbox Password", "button Hide password"];
  expect(await outline(page)).toEqual(["main", "heading Sign in", ...form, "button Sign in", "button Sign in with a passkey", "link Lost your passkey?", "link Open an account"]);

  const client = await NodeClient.registered(server);
  await visitor.signInQuickly(client.name);
  await visitor.waitUntilLive();
  await expect(visitor.bell(0)).toBeVisible();
  expect(await outline(page)).toEqual([
    ...[...SIGNED_IN, "main", "heading Your account", "region Overview"],
    // <demo>
    ...["heading Send money", "textbox To", "textbox Amount", "textbox Note", "button Send money"],
    // </demo>
    ...["heading How others see you", "textbox Display name", "button Change name"],
    // <demo>
    "table History",
    // </demo>
    "contentinfo Connection",
  ]);
  await visitor.open("/sessions");
  await page.getByRole("button", { name: `End session ${client.handle}` }).click();
  const window = await visitor.confirmationWindow();
  expect(await outline(window.page)).toEqual(["main", "region End a session", "heading End a session", "button End it", "button Cancel"]);
  const [cancelled, ...panel] = (await outline(page)).reverse();
  expect([cancelled, ...panel.slice(0, 2)]).toEqual(["button Cancel", "button Show the window", "region Confirmation"]);
});

test("errors, results, notifications and progress are announced by live regions that exist before", async ({ account, server, page, context }) => {
  await account.waitUntilLive();
  const fill = (text: string) => page.getByLabel("Display name").fill(text);
  const change = () => page.getByLabel("Display name").press("Enter");
  await expectAnnounced(page, "assertive", /^Enter 1 to 64/, change);
  await fill("Ada");
  await expectAnnounced(page, "polite", "Your display name is now “\u2068Ada\u2069”.", change);
  let other: NodeClient | undefined;
  await expectAnnounced(page, "polite", /^New sign-in: .* Was this you\?$/, async () => (other = await NodeClient.signedIn(server, account.user)));
  await context.setOffline(true);
  await fill("Offline");
  await expectAnnounced(page, "assertive", /^No response/, change);
  await context.setOffline(false);

  await account.open("/sessions");
  const end = page.getByRole("button", { name: `End session ${other!.handle}` });
  await expectAnnounced(page, "polite", /^Confirm in the window/, () => end.press("Enter"));
  const window = await account.confirmationWindow();
  await expectAnnounced(window.page, "polite", /^There is more below/, () => window.page.setViewportSize({ width: 320, height: 180 }));
  await window.page.setViewportSize({ width: 480, height: 640 });
  await expectAnnounced(page, "assertive", /^You cancelled/, () => window.cancel());
  await end.press("Enter");
  await expectAnnounced(page, "polite", "The session has ended.", () => account.confirm("End it"));

  await page.goto(`${server.sign}/sign-in`);
  await expectAnnounced(page, "assertive", /is wrong/, () => account.submitFormQuickly(account.user, "wrong password"));
});
