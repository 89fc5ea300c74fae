import { type Browser, type BrowserContext, expect, type Locator, type Page } from "@playwright/test";
import { AppPage, newUserName, PASSWORD, waitUntilReady } from "./app-page.ts";
import { FAULTS } from "./faults.ts";
import { Keyboard } from "./input-device.ts";
import type { TestServer } from "./test-server.ts";

export type Fault = keyof typeof FAULTS;

/** The documents in which an interface fails: `first frame` is the frame when it makes its key, `device` is all documents. */
export type Place = "app" | "frame" | "first frame" | "window" | "sign-in" | "device";

/** What the user sees: everything works, or a sentence with a remedy. */
export type Outcome = "works" | RegExp;

/** How long a step or a sentence may take on a busy machine: ms. Without a sentence, the tab would wait for longer. */
const PATIENCE = 15_000;

/** A tab in which interfaces of the browser fail. */
export class FaultyTab {
  /** Confirmations in the shared browser, in which one at a time can be open. */
  private static confirmations: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly context: BrowserContext,
    private readonly page: Page,
    private readonly visitor: AppPage,
    private readonly server: TestServer,
    private readonly expected: Outcome,
  ) {}

  /**
   * What the user sees when interfaces fail: "works", or the sentences on the page. Faults of an open account's page share its
   * browser, the others have one each.
   */
  static async outcome(browser: Browser, server: TestServer, account: AppPage, faults: Fault[], place: Place, expected: Outcome): Promise<string> {
    const isShared = place === "app" || place === "frame";
    const context = isShared ? account.page.context() : await browser.newContext();
    const page = await context.newPage();
    const tab = new FaultyTab(context, page, new AppPage(page, server.app, new Keyboard(page)), server, expected);
    try {
      if (place === "window" || place === "device") await tab.visitor.registerQuickly(newUserName());
      for (const fault of faults) await tab.inject(fault, place);
      if (place === "sign-in" || place === "first frame") return await tab.register();
      return await tab.useAccount(isShared);
    } finally {
      await (isShared ? page : context).close();
    }
  }

  /** Makes the interface fail in documents that load from now on. */
  private async inject(fault: Fault, place: Place): Promise<void> {
    const { app, sign } = this.server;
    const where: Record<Place, string> = {
      app: `location.origin === "${app}"`,
      frame: `location.origin === "${sign}" && parent !== window`,
      "first frame": `location.origin === "${sign}" && parent !== window`,
      window: `location.origin === "${sign}" && location.pathname === "/confirm"`,
      "sign-in": `location.origin === "${sign}" && parent === window`,
      device: "true",
    };
    // In this tab only, except for its windows.
    const target = place === "window" || place === "device" ? this.context : this.page;
    await target.addInitScript(`if (${where[place]}) (${FAULTS[fault]})();`);
  }

  private async register(): Promise<string> {
    const name = newUserName();
    await this.page.goto(`${this.server.sign}/register?return=/account`, { waitUntil: "commit" });
    await waitUntilReady(this.page);
    const [user, password] = [this.page.getByLabel("User name"), this.page.getByLabel("Password", { exact: true })];
    await user.fill(name);
    await password.fill(PASSWORD);
    await password.press("Enter");
    const outcome = await this.until(this.visitor.displayName.filter({ hasText: name }));
    if (outcome === "works") return outcome;
    if (this.page.url() === `${this.server.app}/account`) return this.withSession(outcome);
    const isKept = (await user.inputValue()) === name && (await password.inputValue()) === PASSWORD;
    return isKept ? outcome : `${outcome} The form is empty.`;
  }

  private async useAccount(isShared: boolean): Promise<string> {
    await this.page.goto(`${this.server.app}/account`, { waitUntil: "commit" });
    const loaded = await this.until(this.visitor.displayName.filter({ hasText: /./ }));
    if (loaded !== "works") return loaded;
    const name = this.page.getByLabel("Display name");
    const done = (name: string) => this.page.getByText(`Your display name is now “\u2068${name}\u2069”.`);
    await name.fill("By a key");
    await name.press("Enter");
    const renamed = await this.until(done("By a key"));
    if (renamed !== "works") return renamed;

    const confirm = async () => {
      // Script is no interaction: the user must confirm.
      await name.fill("By a window");
      await name.evaluate((input: HTMLInputElement) => input.form?.requestSubmit());
      const outcome = this.until(done("By a window"));
      await this.pressButton(outcome);
      return outcome;
    };
    const confirmed = isShared && this.expected === "works" ? await FaultyTab.oneAtATime(confirm) : await confirm();
    if (confirmed === "works") {
      await this.visitor.waitUntilLive();
      return confirmed;
    }
    const outcome = (await name.inputValue()) === "By a window" ? confirmed : `${confirmed} The form is empty.`;
    return isShared ? outcome : this.withSession(outcome);
  }

  /** Confirms until there is an outcome, if the window lets the user. On a busy machine a press may come too early. */
  private async pressButton(outcome: Promise<string>): Promise<void> {
    let isOver = false;
    void outcome.finally(() => (isOver = true));
    for (; !isOver; await this.page.waitForTimeout(150)) {
      const button = this.visitor.windows[0]?.locator("#confirm[aria-disabled=false]");
      await button?.click({ timeout: 500, noWaitAfter: true }).catch(() => {});
    }
  }

  /** The outcome, if the session lives on in a tab without the fault. */
  private async withSession(outcome: string): Promise<string> {
    const tab = await this.context.newPage();
    await tab.goto(`${this.server.app}/account`);
    await expect(tab.getByTestId("display-name"), "the session lives").not.toBeEmpty();
    return outcome;
  }

  /** Waits until a step has worked, or the expected sentence is shown. Returns "works", or all sentences. */
  private async until(success: Locator): Promise<string> {
    const { expected } = this;
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      if (await success.isVisible()) return "works";
      const sentences = await this.sentences();
      if ((expected instanceof RegExp && expected.test(sentences)) || Date.now() > deadline) return sentences;
      await this.page.waitForTimeout(150);
    }
  }

  /** All sentences that the tab and its windows show. */
  private async sentences(): Promise<string> {
    const places = "[role=alert], [role=status], .notice, .progress p, .confirmation-prompt, #outcome";
    const pages = [this.page, ...this.visitor.windows.filter((window) => !window.isClosed())];
    const texts = pages.map((page) => page.locator(places).filter({ visible: true }).allInnerTexts().catch(() => []));
    return (await Promise.all(texts)).flat().join(" ").replace(/\s+/g, " ");
  }

  private static async oneAtATime<T>(work: () => Promise<T>): Promise<T> {
    const done = this.confirmations.then(work);
    this.confirmations = done.catch(() => {});
    return done;
  }
}
