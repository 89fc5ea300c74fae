import { By } from "selenium-webdriver";
import { newUserName } from "../support/app-page.ts";
import { NodeClient } from "../support/node-client.ts";
import { exportKeys } from "../support/page-scripts.ts";
import { ALERT, DISPLAY_NAME, NOTIFICATIONS } from "../support/webkit/app-page.ts";
import { expect, test } from "../support/webkit/fixtures.ts";
import { button } from "../support/webkit/webkit-page.ts";
// <demo>
import { STATUS } from "../support/webkit/app-page.ts";
import { testId } from "../support/webkit/webkit-page.ts";
// </demo>

const SESSIONS = By.css("ul.sessions > li");

test("registering, changing the name, signing out and signing in", async ({ visitor }) => {
  const name = newUserName();
  await visitor.enter("/register", name);
  await visitor.changeName("Ada Lovelace");
  await visitor.signOut();
  await visitor.open("/account");
  await visitor.page.expectText(ALERT, "not signed in");
  await visitor.enter("/sign-in", name);
  await visitor.page.expectText(DISPLAY_NAME, "Ada Lovelace");
});

// <demo>
test("a transfer is confirmed in a window that shows it", async ({ account, server }) => {
  const friend = await NodeClient.registered(server);
  const window = await account.submitTransfer({ to: friend.name, amount: "12.50", note: "rent" });
  for (const text of ["12.50 EUR", friend.name, "rent", new URL(server.app).host, account.user]) await window.expectText(text);
  await window.confirm("Send 12.50 EUR");
  await account.page.expectText(testId("balance"), "987.50 EUR");
  await account.page.expectText(STATUS, "12.50 EUR");
  const theirs = await friend.call({ path: "/api/account" });
  expect(JSON.parse(theirs.body)).toMatchObject({ balance: 101_250, history: [{ direction: "received", amount: 1250, other: account.user }] });

  // Cancelled in the window, nothing is sent.
  await (await account.submitTransfer({ to: friend.name, amount: "1", note: "" })).cancel();
  await account.page.expectText(ALERT, "You cancelled");
  await account.page.expectText(testId("balance"), "987.50 EUR");
});
// </demo>

test("a sign-in elsewhere is shown at once, and the sessions page ends it", async ({ account, server }) => {
  await account.waitUntilLive();
  const other = await NodeClient.signedIn(server, account.user);
  await account.page.activate(By.css("summary"));
  await account.page.expectText(NOTIFICATIONS, "New sign-in");

  await account.open("/sessions");
  await expect.poll(() => account.page.count(SESSIONS)).toBe(2);
  const end = By.css(`ul.sessions button[aria-label="End session ${other.handle}"]`);
  const window = await account.confirmation(() => account.page.activate(end));
  await window.confirm("End it");
  await expect.poll(() => account.page.count(SESSIONS)).toBe(1);
  expect((await other.call({ path: "/api/account" })).code).toBe("invalid_session");

  await account.open("/activity");
  await account.page.expectText(By.css("main"), "Ended a session");
});

test("frame and window have separate storage, and a frame that lost its key is restored", async ({ account, server }) => {
  expect((await account.page.evaluateInFrame(countKeys)) as object).toEqual({ keys: 1, confirmation_keys: 0 });
  await account.page.goto(`${server.sign}/sign-in`);
  expect(await account.page.evaluate(countKeys)).toEqual({ keys: 0, confirmation_keys: 1 });

  await account.open("/account");
  await account.expectLoaded();
  await account.page.evaluateInFrame(deleteKeys);
  await account.page.reload();
  await account.page.expectText(ALERT, "lost one of its keys");
  const window = await account.confirmation(() => account.page.activate(button("Restore this browser")));
  await window.confirm("Restore");
  await account.expectLoaded();
  await account.changeName("Restored");
  expect((await exportKeys({ evaluate: account.page.evaluateInFrame })).signs).toBe(64);
});

/** How many keys of each kind the origin stores, in the partition of this document. */
async function countKeys(): Promise<Record<string, number>> {
  const database = await new Promise<IDBDatabase>((done, failed) => {
    const request = indexedDB.open("pan");
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
  const counts: Record<string, number> = {};
  for (const kind of database.objectStoreNames) {
    counts[kind] = await new Promise<number>((done) => {
      const request = database.transaction(kind).objectStore(kind).count();
      request.onsuccess = () => done(request.result);
    });
  }
  database.close();
  return counts;
}

/** Deletes the keys, as WebKit does with the storage of a site that was not used for seven days. */
async function deleteKeys(): Promise<void> {
  const database = await new Promise<IDBDatabase>((done) => {
    const request = indexedDB.open("pan");
    request.onsuccess = () => done(request.result);
  });
  const transaction = database.transaction(database.objectStoreNames, "readwrite");
  for (const kind of database.objectStoreNames) transaction.objectStore(kind).clear();
  await new Promise((done) => (transaction.oncomplete = done));
  database.close();
}
