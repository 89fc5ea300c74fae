import { devices } from "@playwright/test";
import { AppPage, newUserName } from "../../support/app-page.ts";
import { expect, test } from "../../support/fixtures.ts";
import { Keyboard, Mouse, Touchscreen } from "../../support/input-device.ts";
import { confirmationProof } from "../../support/interaction-proof.ts";
import { NodeClient } from "../../support/node-client.ts";
import type { TestServer } from "../../support/test-server.ts";

/** Everything from registration to a second sign-in, with one kind of input device. */
async function journey(visitor: AppPage, server: TestServer): Promise<void> {
  const name = newUserName();
  const friend = await NodeClient.registered(server);
  const proofs: (string | null)[] = [];
  visitor.page.on("request", (request) => {
    if (/\/api\/(display_name|transfer)$/.test(request.url())) proofs.push(proofRecorder(request.headers()["x-interaction-proof"]));
  });

  await visitor.register(name);
  await expect(visitor.page.getByRole("heading", { level: 1 })).toHaveText("Your account");
  await expect(visitor.balance).toHaveText("1,000.00 EUR");
  await expect(visitor.displayName).toHaveText(name);

  await visitor.changeName("Ada Lovelace");
  expect(proofs[0], "an ordinary change needs no window").toBe("app");
  if (visitor.input.name !== "mouse") expect(proofs).toEqual(["app"]);

  await visitor.submitTransfer({ to: friend.name, amount: "12.50", note: "rent" });
  const window = await visitor.confirmationWindow();
  await expect(window.title).toHaveText("Send money");
  for (const text of ["12.50 EUR", friend.name, "rent", new URL(server.app).host, name]) await expect(window.content).toContainText(text);
  await expect(visitor.confirmationPanel).toBeVisible();
  await visitor.confirm("Send 12.50 EUR");
  await expect(visitor.balance).toHaveText("987.50 EUR");
  await expect(visitor.status).toContainText("12.50 EUR");
  const newest = visitor.history.getByRole("row").nth(1);
  for (const text of [friend.name, "rent", "12.50 EUR"]) await expect(newest).toContainText(text);
  expect(proofs.at(-1)).toBe("signer");
  const theirs = await friend.call({ path: "/api/account" });
  expect(JSON.parse(theirs.body)).toMatchObject({ balance: 101_250, history: [{ direction: "received", amount: 1250, other: name }] });

  await visitor.signOut();
  await visitor.open("/account");
  await expect(visitor.alert).toContainText("not signed in");
  await visitor.signIn(name);
  await expect(visitor.balance).toHaveText("987.50 EUR");
  await expect(visitor.displayName).toHaveText("Ada Lovelace");
}

/** The `by` member of the proof in a header; null if there is no proof. */
function proofRecorder(header: string | undefined): string | null {
  if (!header || header === "none") return null;
  return (JSON.parse(Buffer.from(header, "base64url").toString()) as { by: string }).by;
}

test("the whole journey with a mouse", { tag: "@firefox" }, async ({ visitor, server }) => {
  await journey(visitor, server);
});

test("the whole journey with the keyboard only", { tag: "@memory" }, async ({ page, server }) => {
  await journey(new AppPage(page, server.app, new Keyboard(page)), server);
});

test.describe("on a phone", () => {
  const { defaultBrowserType: _, ...phone } = devices["Pixel 7"]!;
  test.use(phone);

  test("the whole journey by touch", async ({ page, server }) => {
    await journey(new AppPage(page, server.app, new Touchscreen(page)), server);
  });
});

test("the first page links to registration and sign-in", async ({ visitor, page }) => {
  await visitor.open("/");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("PAN");
  await visitor.input.activate(page.getByRole("link", { name: "Register", exact: true }));
  await expect(visitor.button("Open account")).toBeEnabled();
  await visitor.input.activate(page.getByRole("link", { name: "Sign in", exact: true }));
  await expect(visitor.button("Sign in")).toBeEnabled();
});

test("a reload between changes loses nothing", async ({ account, page }) => {
  await account.changeName("Before");
  await page.reload();
  await expect(account.displayName).toHaveText("Before");
  await account.changeName("After");
  await account.open("/");
  await account.input.activate(page.getByRole("main").getByRole("link"));
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("a reload while the window is open sends nothing", async ({ account, server, page }) => {
  const friend = await NodeClient.registered(server);
  await account.submitTransfer({ to: friend.name, amount: "5", note: "" });
  const { page: window } = await account.confirmationWindow();
  await page.reload();
  await expect(account.balance).toHaveText("1,000.00 EUR");
  await expect(account.confirmationPanel).toBeHidden();
  // The page no longer waits for its result.
  await window.close();
  await account.submitTransfer({ to: friend.name, amount: "5", note: "" });
  await account.confirm("Send 5.00 EUR");
  await expect(account.balance).toHaveText("995.00 EUR");
});

test("two tabs work at once", async ({ account, server, context }) => {
  const friend = await NodeClient.registered(server);
  const page = await context.newPage();
  const other = new AppPage(page, server.app, new Mouse(page));
  await other.open("/account");
  await expect(other.balance).toHaveText("1,000.00 EUR");
  for (const [tab, left] of [[account, "999.00 EUR"], [other, "998.00 EUR"], [account, "997.00 EUR"]] as const) {
    await tab.page.bringToFront();
    await tab.submitTransfer({ to: friend.name, amount: "1", note: "" });
    await tab.confirm("Send 1.00 EUR");
    await expect(tab.balance).toHaveText(left);
  }
  await Promise.all([account, other].map((tab) => tab.page.reload()));
  for (const tab of [account, other]) await expect(tab.balance).toHaveText("997.00 EUR");

  await account.page.bringToFront();
  await account.signOut();
  await other.page.bringToFront();
  await other.open("/account");
  await expect(other.alert).toContainText("not signed in");
});

test("signing in as another user shows nothing of the first", async ({ account }) => {
  await account.changeName("The first");
  const first = account.user;
  await account.signOut();
  const second = newUserName();
  await account.register(second);
  await expect(account.displayName).toHaveText(second);
  for (const text of [first, "The first"]) await expect(account.page.getByText(text)).toHaveCount(0);
});

test("a user can use two browsers", async ({ account, server, browser }) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const other = new AppPage(page, server.app, new Mouse(page));
  await other.signIn(account.user);
  await other.changeName("From the other");
  await account.page.reload();
  await expect(account.displayName).toHaveText("From the other");
  await context.close();
});

test("the window shows invisible characters", async ({ account, server }) => {
  const friend = await NodeClient.registered(server);
  await account.submitTransfer({ to: friend.name, amount: "1", note: "rent\u202eyadiloh\u200b" });
  await expect((await account.confirmationWindow()).content).toContainText("rent⟨U+202E⟩yadiloh⟨U+200B⟩");
  await account.cancel();
});

for (const [width, height] of [
  [320, 568],
  [320, 180],
  [341, 162],
] as const) {
  test(`the window works at ${width} × ${height} pixels`, async ({ account, server }) => {
    const friend = await NodeClient.registered(server);
    await account.submitTransfer({ to: friend.name, amount: "1", note: "word ".repeat(27) });
    const window = await account.confirmationWindow();
    await window.page.setViewportSize({ width, height });
    const scrollWidth = await window.page.evaluate(() => document.documentElement.scrollWidth);
    expect(scrollWidth).toBeLessThanOrEqual(width);
    // Content that does not fit must be scrolled through before the button is armed.
    await expect(window.status).toContainText(/scroll/i);
    await window.title.hover();
    await window.page.mouse.wheel(0, 3_000);
    await account.confirm("Send 1.00 EUR");
    await expect(account.balance).toHaveText("999.00 EUR");
  });
}

test("an independent client in Node is accepted", async ({ client, server }) => {
  await client.expectStillWorks();
  const friend = await NodeClient.registered(server);
  // A client that has the confirmation key can make the window's proof.
  const body = JSON.stringify({ to: friend.name, amount: 100, note: "" });
  const reply = await client.call({ path: "/api/transfer", body, proof: confirmationProof("transfer") });
  expect(reply.status, reply.body).toBe(200);
});

test("a machine-like pointer path leads to a confirmation", async ({ account, page }) => {
  await account.input.fill(page.getByLabel("Display name"), "Evenly");
  const button = account.button("Change name");
  const box = await button.boundingBox();
  if (!box) throw new Error("there is no button");
  // A straight line at constant speed, and a press of zero duration.
  await page.mouse.move(5, 5);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 110 });
  await page.mouse.down();
  await page.mouse.up();
  await expect((await account.confirmationWindow()).content).toContainText("Evenly");
  await account.confirm("Change name");
  await expect(account.displayName).toHaveText("Evenly");
});
