import { devices } from "@playwright/test";
import { Bank, newName } from "../support/bank.ts";
import { Client, confirmation } from "../support/client.ts";
import { Finger, Keyboard, Mouse } from "../support/hand.ts";
import type { House } from "../support/servers.ts";
import { expect, test } from "../support/test.ts";

/** From a new account to a second sign-in, with one kind of hand. */
async function journey(bank: Bank, house: House): Promise<void> {
  const name = newName();
  const friend = await Client.registered(house);
  const proofs: (string | null)[] = [];
  bank.page.on("request", (request) => {
    if (/\/api\/(display_name|transfer)$/.test(request.url())) proofs.push(recorder(request.headers()["x-interaction-proof"]));
  });

  await bank.register(name);
  await expect(bank.page.getByRole("heading", { level: 1 })).toHaveText("Your account");
  await expect(bank.balance).toHaveText("1,000.00 EUR");
  await expect(bank.displayName).toHaveText(name);

  await bank.renamed("Ada Lovelace");
  expect(proofs[0], "an ordinary change is asked for without a window").toBe("app");
  if (bank.hand.name !== "mouse") expect(proofs).toEqual(["app"]);

  await bank.order({ to: friend.name, amount: "12.50", note: "rent" });
  const window = await bank.confirmation();
  await expect(window.title).toHaveText("Send money");
  for (const text of ["12.50 EUR", friend.name, "rent", new URL(house.app).host, name]) await expect(window.content).toContainText(text);
  await expect(bank.confirming).toBeVisible();
  await bank.confirm("Send 12.50 EUR");
  await expect(bank.balance).toHaveText("987.50 EUR");
  await expect(bank.status).toContainText("12.50 EUR");
  const newest = bank.history.getByRole("row").nth(1);
  for (const text of [friend.name, "rent", "12.50 EUR"]) await expect(newest).toContainText(text);
  expect(proofs.at(-1)).toBe("signer");
  const theirs = await friend.call({ path: "/api/account" });
  expect(JSON.parse(theirs.body)).toMatchObject({ balance: 101_250, history: [{ direction: "received", amount: 1250, other: name }] });

  await bank.signOut();
  await bank.open("/account");
  await expect(bank.alert).toContainText("not signed in");
  await bank.signIn(name);
  await expect(bank.balance).toHaveText("987.50 EUR");
  await expect(bank.displayName).toHaveText("Ada Lovelace");
}

/** Who recorded the proof of a header. */
function recorder(header: string | undefined): string | null {
  if (!header || header === "none") return null;
  return (JSON.parse(Buffer.from(header, "base64url").toString()) as { by: string }).by;
}

test("the whole journey with a mouse", async ({ bank, house }) => {
  await journey(bank, house);
});

test("the whole journey with the keyboard only", { tag: "@memory" }, async ({ page, house }) => {
  await journey(new Bank(page, house.app, new Keyboard(page)), house);
});

test.describe("on a phone", () => {
  const { defaultBrowserType: _, ...phone } = devices["Pixel 7"]!;
  test.use(phone);

  test("the whole journey by touch", async ({ page, house }) => {
    await journey(new Bank(page, house.app, new Finger(page)), house);
  });
});

test("the way in is to be found on the first page", async ({ bank, page }) => {
  await bank.open("/");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("PAN");
  await bank.hand.press(page.getByRole("link", { name: "Register", exact: true }));
  await expect(bank.button("Open account")).toBeEnabled();
  await bank.hand.press(page.getByRole("link", { name: "Sign in", exact: true }));
  await expect(bank.button("Sign in")).toBeEnabled();
});

test("a reload in between changes nothing", async ({ account, page }) => {
  await account.renamed("Before");
  await page.reload();
  await expect(account.displayName).toHaveText("Before");
  await account.renamed("After");
  await account.open("/");
  await account.hand.press(page.getByRole("main").getByRole("link"));
  await expect(account.balance).toHaveText("1,000.00 EUR");
});

test("a reload while the window is open sends nothing", async ({ account, house, page }) => {
  const friend = await Client.registered(house);
  await account.order({ to: friend.name, amount: "5", note: "" });
  const { page: window } = await account.confirmation();
  await page.reload();
  await expect(account.balance).toHaveText("1,000.00 EUR");
  await expect(account.confirming).toBeHidden();
  // Nobody waits for its answer any more.
  await window.close();
  await account.order({ to: friend.name, amount: "5", note: "" });
  await account.confirm("Send 5.00 EUR");
  await expect(account.balance).toHaveText("995.00 EUR");
});

test("two tabs work at once", async ({ account, house, context }) => {
  const friend = await Client.registered(house);
  const page = await context.newPage();
  const other = new Bank(page, house.app, new Mouse(page));
  await other.open("/account");
  await expect(other.balance).toHaveText("1,000.00 EUR");
  for (const [tab, left] of [[account, "999.00 EUR"], [other, "998.00 EUR"], [account, "997.00 EUR"]] as const) {
    await tab.page.bringToFront();
    await tab.order({ to: friend.name, amount: "1", note: "" });
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

test("signing in as somebody else shows nothing of the first", async ({ account }) => {
  await account.renamed("The first");
  const first = account.user;
  await account.signOut();
  const second = newName();
  await account.register(second);
  await expect(account.displayName).toHaveText(second);
  for (const text of [first, "The first"]) await expect(account.page.getByText(text)).toHaveCount(0);
});

test("a person may have two browsers", async ({ account, house, browser }) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const other = new Bank(page, house.app, new Mouse(page));
  await other.signIn(account.user);
  await other.renamed("From the other");
  await account.page.reload();
  await expect(account.displayName).toHaveText("From the other");
  await context.close();
});

test("the window shows the characters that hide something", async ({ account, house }) => {
  const friend = await Client.registered(house);
  await account.order({ to: friend.name, amount: "1", note: "rent\u202eyadiloh\u200b" });
  await expect((await account.confirmation()).content).toContainText("rent⟨U+202E⟩yadiloh⟨U+200B⟩");
  await account.cancel();
});

for (const [width, height] of [
  [320, 568],
  [320, 180],
  [341, 162],
] as const) {
  test(`the window works at ${width} × ${height} pixels`, async ({ account, house }) => {
    const friend = await Client.registered(house);
    await account.order({ to: friend.name, amount: "1", note: "word ".repeat(27) });
    const window = await account.confirmation();
    await window.page.setViewportSize({ width, height });
    const scrollWidth = await window.page.evaluate(() => document.documentElement.scrollWidth);
    expect(scrollWidth).toBeLessThanOrEqual(width);
    // What cannot be seen at once must be scrolled through before the button works.
    await expect(window.status).toContainText(/scroll/i);
    await window.title.hover();
    await window.page.mouse.wheel(0, 3_000);
    await account.confirm("Send 1.00 EUR");
    await expect(account.balance).toHaveText("999.00 EUR");
  });
}

test("an independent client in plain Node is accepted", async ({ client, house }) => {
  await client.stillActs();
  const friend = await Client.registered(house);
  // It can forge the page's proof, but not the window's: that takes the confirmation key, which here it has.
  const body = JSON.stringify({ to: friend.name, amount: 100, note: "" });
  const reply = await client.call({ path: "/api/transfer", body, proof: confirmation("transfer") });
  expect(reply.status, reply.body).toBe(200);
});

test("whoever moves like a machine is asked to confirm, and then it is done", async ({ account, page }) => {
  await account.hand.write(page.getByLabel("Display name"), "Evenly");
  const button = account.button("Change name");
  const box = await button.boundingBox();
  if (!box) throw new Error("there is no button");
  // Along a ruler, at an even pace, and without a hold.
  await page.mouse.move(5, 5);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 110 });
  await page.mouse.down();
  await page.mouse.up();
  await expect((await account.confirmation()).content).toContainText("Evenly");
  await account.confirm("Change name");
  await expect(account.displayName).toHaveText("Evenly");
});
