import type { Page } from "@playwright/test";
import { type Focus, focus, tabThrough } from "../support/accessibility-tree.ts";
import { AppPage, newUserName } from "../support/app-page.ts";
import { expect, test as base } from "../support/fixtures.ts";
import { Keyboard } from "../support/input-device.ts";
import { NodeClient } from "../support/node-client.ts";

/** The application in a fresh browser, used with the keyboard only. */
const test = base.extend<{ visitor: AppPage }>({
  visitor: async ({ page, server }, use) => use(new AppPage(page, server.app, new Keyboard(page))),
});

const names = (stops: Focus[]) => stops.map(({ name }) => name);

/** Waits until an element has the focus. Returns its description. */
async function expectFocus(page: Page, name: string): Promise<string> {
  await expect.poll(async () => (await focus(page)).name).toBe(name);
  return (await focus(page)).description;
}

const HEADER = ["link Skip to content", "link PAN", "link Account", "link Sessions", "link Activity", "DisclosureTriangle Notifications: nothing new", "button Sign out"];

test("Tab reaches every control in order, each with a name, a focus ring and nothing over it", async ({ visitor, server, page }) => {
  // A laptop at 400 %.
  await page.setViewportSize({ width: 320, height: 180 });
  const stops: Record<string, Focus[]> = {};
  await visitor.open("/");
  stops["/"] = await tabThrough(page);
  await page.goto(`${server.sign}/sign-in`);
  await expect(page.getByLabel("User name")).toBeFocused();
  stops["sign-in"] = [await focus(page), ...(await tabThrough(page))];
  await visitor.registerQuickly(newUserName());
  await page.reload();
  await visitor.waitUntilLive();
  stops["account"] = await tabThrough(page);
  await NodeClient.signedIn(server, visitor.user);
  await visitor.open("/sessions");
  await expect(page.getByRole("listitem").getByRole("button")).toBeVisible();
  await visitor.waitUntilLive();
  stops["sessions"] = await tabThrough(page);
  // At 200 %, with the prompt over the page.
  await page.setViewportSize({ width: 640, height: 360 });
  await page.getByRole("listitem").getByRole("button").press("Enter");
  await visitor.confirmationWindow();
  stops["confirmation"] = await tabThrough(page);

  for (const [where, all] of Object.entries(stops)) expect(all.filter(({ hasRing, isInView }) => !hasRing || !isInView), where).toEqual([]);
  expect(names(stops["/"]!)).toEqual(["link Skip to content", "link PAN", "link Register", "link Sign in", "link Open an account"]);
  expect(names(stops["sign-in"]!)).toEqual(["textbox User name", "textbox Password", "button Show password", "button Sign in", "button Sign in with a passkey", "link Lost your passkey?", "link Open an account"]);
  expect(names(stops["account"]!)).toEqual([
    ...HEADER,
    // <demo>
    ...["textbox To", "textbox Amount", "textbox Note", "button Send money"],
    // </demo>
    ...["textbox Display name", "button Change name"],
  ]);
  const [passkeys, end, ...rest] = names(stops["sessions"]!).filter((name) => !HEADER.includes(name.replace(/: \d new/, ": nothing new")));
  expect(passkeys).toBe("link Your passkeys");
  expect(end).toMatch(/^button End session [\w-]{22}$/);
  expect(rest).toEqual(["button End all other sessions"]);
});

test("the keyboard does everything, and the focus goes to the error, the result, and back", async ({ visitor, server, page }) => {
  const { keyboard } = page;
  const name = newUserName();
  await page.goto(`${server.sign}/register?return=/account`);
  await expectFocus(page, "textbox User name");
  await keyboard.press("Enter");
  await expect(page.getByText("Enter your user name.")).toBeVisible();
  expect(await expectFocus(page, "textbox User name")).toContain("Enter your user name.");
  await visitor.input.fill(page.getByLabel("User name"), name);
  await visitor.input.activate(page.getByRole("button", { name: "Show password" }));
  await expectFocus(page, "button Hide password");
  await visitor.submitForm(name, "Open account");
  await visitor.expectLoaded();
  await visitor.waitUntilLive();
  visitor.user = name;

  // The skip link leads past the header.
  await keyboard.press("Tab");
  await expectFocus(page, "link Skip to content");
  await keyboard.press("Enter");
  await keyboard.press("Tab");
  expect((await focus(page)).name).toMatch(/^textbox/);

  await visitor.submitName(" ");
  expect(await expectFocus(page, "textbox Display name")).toBe("Enter 1 to 64 characters, not only spaces.");
  await visitor.submitName("Grace");
  await expect(visitor.status).toContainText("Grace");
  expect(await expectFocus(page, "button Change name")).toBe("");

  // The menu closes with Escape, and when the focus leaves it.
  await NodeClient.signedIn(server, name);
  await visitor.input.activate(visitor.bell(1));
  await expect(visitor.notifications).toBeVisible();
  await keyboard.press("Tab");
  await expectFocus(page, "link See the session");
  await keyboard.press("Escape");
  await expectFocus(page, "DisclosureTriangle Notifications: nothing new");
  await expect(visitor.notifications).toBeHidden();
  await keyboard.press("Enter");
  await keyboard.press("Tab");
  await keyboard.press("Tab");
  await expectFocus(page, "button Sign out");
  await expect(visitor.notifications).toBeHidden();

  // A notification leads to its session, which is ended. Cancelling keeps the focus.
  await visitor.input.activate(visitor.bell(0));
  await keyboard.press("Tab");
  await keyboard.press("Enter");
  await expect(page).toHaveURL(/\/sessions#/);
  await expectFocus(page, "heading Your sessions");
  const end = page.getByRole("button", { name: /^End session/ });
  await visitor.input.activate(end);
  const window = await visitor.confirmationWindow();
  await expectFocus(window.page, "heading End a session");
  const closed = window.page.waitForEvent("close");
  await window.page.keyboard.press("Escape");
  await closed;
  await expect(visitor.alert).toContainText("You cancelled");
  await expect(end).toBeFocused();
  await visitor.input.activate(end);
  await visitor.confirmationWindow();
  // The page's own button cancels too, and disappears.
  await visitor.input.activate(visitor.confirmationPanel.getByRole("button", { name: "Cancel" }));
  await expect(visitor.confirmationPanel).toBeHidden();
  await expect(end).toBeFocused();
  await visitor.input.activate(end);
  await visitor.confirm("End it");
  await expect(visitor.status).toContainText("has ended");
  // Its button is gone.
  await expectFocus(page, "heading Your sessions");

  await visitor.signOut();
  await expectFocus(page, "heading PAN");
  await page.goto(`${server.sign}/sign-in?return=/account`);
  await visitor.submitFormQuickly(name, "wrong password");
  await expect(visitor.alert).toContainText("is wrong");
  await expectFocus(page, "textbox Password");
  await visitor.submitForm(name, "Sign in");
  await expect(visitor.displayName).toHaveText("Grace");
});
