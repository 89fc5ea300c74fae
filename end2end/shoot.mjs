import { chromium } from "@playwright/test";
const PORT = process.argv[2] ?? "4100";
const app = `http://pan.localhost:${PORT}`, sign = `http://sign.pan.localhost:${PORT}`;
const out = "/tmp/nine/shots";
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
for (const scheme of ["light", "dark"]) {
  for (const width of [320, 390, 1440]) {
    const context = await browser.newContext({ viewport: { width, height: width === 1440 ? 900 : 760 }, colorScheme: scheme });
    const page = await context.newPage();
    page.on("console", (m) => m.type() === "error" && console.log("console:", m.text()));
    page.on("pageerror", (e) => console.log("pageerror:", String(e)));
    const shot = (p, name) => p.screenshot({ path: `${out}/${name}-${width}-${scheme}.png`, fullPage: true });
    await page.goto(`${sign}/sign-in?return=/account`);
    await page.locator("html[data-ready]").waitFor();
    await shot(page, "sign-in");
    await page.getByLabel("User name").fill("ada-lovelace");
    await page.getByLabel("Password", { exact: true }).fill("wrong horse battery");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("#alert:not(:empty)").waitFor();
    await shot(page, "sign-in-wrong");
    await page.goto(`${sign}/register?return=/account`);
    await page.locator("html[data-ready]").waitFor();
    await shot(page, "register");
    const t = Date.now().toString(36).slice(-5); const friend = `grace-${t}`, user = `ada-lovelace-${t}`;
    for (const name of [friend, user]) {
      await page.goto(`${sign}/register?return=/account`);
      await page.locator("html[data-ready]").waitFor();
      await page.getByLabel("User name").fill(name);
      await page.getByLabel("Password", { exact: true }).fill("correct horse battery staple");
      await page.getByRole("button", { name: "Open account" }).click();
      await page.waitForURL(`${app}/account`);
      await page.getByTestId("balance").filter({ hasText: "EUR" }).waitFor();
    }
    await page.getByLabel("To", { exact: true }).fill(friend);
    await page.getByLabel("Amount", { exact: true }).fill("1250.5");
    await page.getByLabel("Amount", { exact: true }).fill("250.5");
    await page.getByLabel("Note", { exact: true }).fill("Rent for December, flat 4b \u05e9\u05dc\u05d5\u05dd");
    const popup = page.waitForEvent("popup");
    await page.getByRole("button", { name: "Send money" }).click();
    const window = await popup;
    window.on("console", (m) => m.type() === "error" && console.log("window console:", m.text()));
    await window.setViewportSize({ width, height: width === 1440 ? 900 : 640 });
    await window.getByRole("button", { name: "Cancel" }).waitFor();
    await window.screenshot({ path: `${out}/confirm-waiting-${width}-${scheme}.png` });
    await window.waitForTimeout(900);
    console.log(width, scheme, await window.evaluate(() => [innerWidth, innerHeight, outerWidth, outerHeight, devicePixelRatio]));
    await shot(window, "confirm");
    if (width === 320) {
      await window.setViewportSize({ width: 341, height: 162 });
      await window.waitForTimeout(300);
      await window.screenshot({ path: `${out}/confirm-341x162-${scheme}.png` });
      console.log(await window.evaluate(() => [innerWidth, innerHeight, outerWidth, outerHeight, devicePixelRatio]), await window.getByRole("status").textContent());
      await window.evaluate(() => scrollTo(0, 10000));
      await window.waitForTimeout(900);
      await window.screenshot({ path: `${out}/confirm-341x162-end-${scheme}.png` });
      console.log(await window.getByRole("status").allTextContents());
    }
    await shot(page, "page-while-confirming");
    await window.getByRole("button", { name: /^Send/ }).click();
    await window.waitForTimeout(200);
    if (!window.isClosed()) await shot(window, "confirmed").catch(() => {});
    await page.getByText("749.50 EUR").first().waitFor();
    await shot(page, "account");
    await context.close();
  }
}
await browser.close();
