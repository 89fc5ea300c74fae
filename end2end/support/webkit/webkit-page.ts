import { expect, type Page } from "@playwright/test";
import { By, error, Key, Origin } from "selenium-webdriver";
import { type Point, pointerPath } from "../input-device.ts";
import type { WebKitBrowser } from "./webkit-browser.ts";

/** A button, by its text or its label. */
export function button(name: string): By {
  return By.xpath(`//button[normalize-space()='${name}' or @aria-label='${name}']`);
}

/** A form field, by its label. */
export function field(label: string): By {
  return By.xpath(`//*[@id = //label[normalize-space()='${label}']/@for]`);
}

/** An element, by its `data-testid`. */
export function testId(id: string): By {
  return By.css(`[data-testid="${id}"]`);
}

/** What a function in the page returned or threw. */
type Outcome = { value: unknown } | { error: string };

/** A tab or window of WebKitGTK. Its functions have the names of Playwright's, so that the scripts of attacks run in both. */
export class WebKitPage {
  private position: Point = { x: 40, y: 60 };

  constructor(
    readonly browser: WebKitBrowser,
    private readonly handle: string,
  ) {}

  /** Runs a function in the page. It can use nothing of its module. */
  readonly evaluate: Page["evaluate"] = async (run: unknown, argument?: unknown) => this.run(run, argument);

  /** Runs a function in the signing frame. */
  readonly evaluateInFrame: Page["evaluate"] = async (run: unknown, argument?: unknown) => this.run(run, argument, "#pan-frame");

  async goto(url: string): Promise<void> {
    await (await this.activated()).get(url);
  }

  async reload(): Promise<void> {
    await (await this.activated()).navigate().refresh();
  }

  async url(): Promise<string> {
    return (await this.activated()).getCurrentUrl();
  }

  /** The page's HTML. */
  async content(): Promise<string> {
    return (await this.activated()).getPageSource();
  }

  async isClosed(): Promise<boolean> {
    return !(await this.browser.windows()).includes(this.handle);
  }

  /** The browser, as far as it belongs to this page: the cookies that are sent to its origin. */
  context(): { cookies(): Promise<{ name: string; value: string }[]>; addCookies(cookies: { name: string; value: string }[]): Promise<void> } {
    return {
      cookies: async () => (await this.activated()).manage().getCookies(),
      addCookies: async (cookies) => {
        const options = (await this.activated()).manage();
        for (const { name, value } of cookies) await options.addCookie({ name, value, path: "/", secure: true, httpOnly: true, sameSite: "Lax" });
      },
    };
  }

  /** The window that `act` opens. */
  async popup(act: () => Promise<unknown>): Promise<WebKitPage> {
    const before = await this.browser.windows();
    await act();
    let opened: WebKitPage | undefined;
    await expect.poll(async () => (opened = await this.browser.windowOpenedSince(before)) !== undefined, { message: "a window opens" }).toBe(true);
    return opened as unknown as WebKitPage;
  }

  /** The visible text of the element; of all elements, if there are several. Empty if there is none. */
  async text(by: By): Promise<string> {
    const driver = await this.activated();
    const read = async () => (await Promise.all((await driver.findElements(by)).map((element) => element.getText()))).join("\n");
    return read().catch(ignoreGone);
  }

  /** How many elements there are. */
  async count(by: By): Promise<number> {
    return (await (await this.activated()).findElements(by)).length;
  }

  /** The attribute of the element. Empty if there is no such element. */
  async attribute(by: By, name: string): Promise<string> {
    const driver = await this.activated();
    return driver.findElement(by).getAttribute(name).then((value) => value ?? "", ignoreGone);
  }

  /** Waits until the text contains `text`. */
  async expectText(by: By, text: string | RegExp): Promise<void> {
    const expected = typeof text === "string" ? expect.stringContaining(text) : expect.stringMatching(text);
    await expect.poll(() => this.text(by), { message: String(by), timeout: 20_000 }).toEqual(expected);
  }

  /** Presses the element with a mouse that moves like a person's. */
  async activate(by: By): Promise<void> {
    const driver = await this.activated();
    const to = await this.reachable(by);
    let actions = driver.actions({ async: true });
    for (const { x, y, pause } of pointerPath(this.position, to)) {
      actions = actions.move({ x: Math.round(x), y: Math.round(y), duration: Math.round(pause), origin: Origin.VIEWPORT });
    }
    await actions.press().pause(60 + Math.floor(Math.random() * 60)).release().perform();
    this.position = to;
  }

  /** Replaces the text of a field. */
  async fill(by: By, text: string): Promise<void> {
    await this.activate(by);
    await this.fillQuickly(by, text);
  }

  /** The same without simulated pointer. */
  async fillQuickly(by: By, text: string): Promise<void> {
    const driver = await this.activated();
    const element = await driver.findElement(by);
    await driver.executeScript((field: HTMLInputElement) => field.select(), element);
    await element.sendKeys(text || Key.DELETE);
  }

  /** Presses a key while the element has the focus. */
  async press(by: By, key: string): Promise<void> {
    await (await this.activated()).findElement(by).sendKeys(key);
  }

  /** Waits until the element is enabled, and scrolls it into view. Returns its centre. */
  private async reachable(by: By): Promise<Point> {
    const driver = await this.activated();
    let found: Point | undefined;
    await expect
      .poll(
        async () => {
          const [target] = await driver.findElements(by);
          if (!target) return "absent";
          const to = await driver
            .executeScript<Point | null>((element: HTMLElement) => {
              if ((element as HTMLButtonElement).disabled || element.ariaDisabled === "true") return null;
              element.scrollIntoView({ block: "nearest" });
              const { x, y, width, height } = element.getBoundingClientRect();
              return { x: x + width / 2, y: y + height / 2 };
            }, target)
            .catch((reason: unknown) => ignoreGone(reason) || null);
          if (!to) return "disabled";
          found = to;
          return "reachable";
        },
        { message: String(by), timeout: 20_000 },
      )
      .toBe("reachable");
    return found as unknown as Point;
  }

  /** Runs a function, or an expression, in the page or in one of its frames. */
  private async run(code: unknown, argument: unknown, frame?: string): Promise<never> {
    const driver = await this.activated();
    if (frame) await driver.switchTo().frame(await driver.findElement(By.css(frame)));
    try {
      const call = typeof code === "function" ? `(${code})(arguments[0])` : `(${code})`;
      const script = `const done = arguments[arguments.length - 1];
        Promise.resolve().then(() => ${call}).then((value) => done({ value }), (error) => done({ error: String(error) }));`;
      const outcome = await driver.executeAsyncScript<Outcome>(script, argument ?? null);
      if ("error" in outcome) throw new Error(outcome.error);
      return outcome.value as never;
    } finally {
      if (frame) await driver.switchTo().defaultContent();
    }
  }

  /** The driver, with this window as the one that commands go to. */
  private async activated(): Promise<WebKitBrowser["driver"]> {
    await this.browser.driver.switchTo().window(this.handle);
    return this.browser.driver;
  }
}

/** Takes elements of a page that was left or rendered again for absent. */
function ignoreGone(reason: unknown): "" {
  if (reason instanceof error.StaleElementReferenceError || reason instanceof error.NoSuchElementError) return "";
  if (reason instanceof error.NoSuchWindowError) return "";
  throw reason;
}

