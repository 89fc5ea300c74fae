import { expect, type Locator, type Page } from "@playwright/test";

/** Simulates one kind of input. The browser dispatches trusted events, as for a real device. */
export interface InputDevice {
  readonly name: string;
  /** Activates a button or link. */
  activate(target: Locator): Promise<void>;
  /** Replaces the text of a field. */
  fill(target: Locator, text: string): Promise<void>;
  /** The same kind of device in another window. */
  forPage(page: Page): InputDevice;
}

/** A place in a page, in CSS pixels. */
export interface Point {
  x: number;
  y: number;
}

/** The path of a person's hand: on a curve, slow at both ends, with a tremor. `pause` is in milliseconds, after the move. */
export function pointerPath(from: Point, to: Point): (Point & { pause: number })[] {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const bend = (0.08 + Math.random() * 0.08) * (Math.random() < 0.5 ? -1 : 1);
  const steps = 18 + Math.floor(Math.random() * 8);
  return Array.from({ length: steps }, (_, at) => {
    const t = (at + 1) / steps;
    // Minimum jerk: the part of the path that a hand has covered after a part of the time.
    const covered = t * t * t * (10 - 15 * t + 6 * t * t);
    const side = bend * Math.sin(Math.PI * covered);
    const tremor = at + 1 < steps ? (Math.random() - 0.5) * 2 : 0;
    // Browsers report no move outside the page, and Firefox's driver accepts none.
    const [x, y] = [from.x + dx * covered - dy * side + tremor, from.y + dy * covered + dx * side + tremor];
    return { x: Math.max(x, 0), y: Math.max(y, 0), pause: 6 + Math.random() * 10 };
  });
}

const MODIFIER = process.platform === "darwin" ? "Meta" : "Control";

/** A mouse that moves like a person's. */
export class Mouse implements InputDevice {
  readonly name = "mouse";
  private position = { x: 40, y: 60 };

  constructor(private readonly page: Page) {}

  forPage(page: Page): InputDevice {
    return new Mouse(page);
  }

  async moveTo(target: Locator): Promise<void> {
    const to = await centreOf(target);
    for (const { x, y, pause } of pointerPath(this.position, to)) {
      await this.page.mouse.move(x, y);
      await this.page.waitForTimeout(pause);
    }
    this.position = to;
  }

  async activate(target: Locator): Promise<void> {
    await waitUntilReachable(target);
    await this.moveTo(target);
    await this.page.mouse.down();
    await this.page.waitForTimeout(60 + Math.random() * 60);
    await this.page.mouse.up();
  }

  async fill(target: Locator, text: string): Promise<void> {
    await this.activate(target);
    await replaceText(this.page, text);
  }
}

/** A keyboard: presses Tab until the element has the focus, then Enter. */
export class Keyboard implements InputDevice {
  readonly name = "keyboard";

  constructor(private readonly page: Page) {}

  forPage(page: Page): InputDevice {
    return new Keyboard(page);
  }

  async activate(target: Locator): Promise<void> {
    await this.reach(target);
    // In the confirmation window, Tab starts the arming delay again.
    await expect(target).toBeEnabled();
    await this.page.keyboard.press("Enter", { delay: 70 });
  }

  async fill(target: Locator, text: string): Promise<void> {
    await this.reach(target);
    await replaceText(this.page, text);
  }

  private async reach(target: Locator): Promise<void> {
    await expect(target).toBeEnabled();
    for (let tabs = 0; tabs < 60; tabs++) {
      if (await target.evaluate((element) => element === document.activeElement && document.hasFocus())) return;
      await this.page.keyboard.press("Tab");
    }
    throw new Error(`${target} cannot be reached with Tab`);
  }
}

/** A touchscreen. */
export class Touchscreen implements InputDevice {
  readonly name = "touch";

  constructor(private readonly page: Page) {}

  forPage(page: Page): InputDevice {
    return new Touchscreen(page);
  }

  async activate(target: Locator): Promise<void> {
    await waitUntilReachable(target);
    const { x, y } = await centreOf(target);
    await this.page.touchscreen.tap(x, y);
  }

  async fill(target: Locator, text: string): Promise<void> {
    await this.activate(target);
    await replaceText(this.page, text);
  }
}

/** Waits until an element is enabled. Controls are disabled before hydration and during a request. */
async function waitUntilReachable(target: Locator): Promise<void> {
  await expect(target).toBeEnabled();
  await target.scrollIntoViewIfNeeded();
}

/** The centre of a visible element, in CSS pixels. */
export async function centreOf(target: Locator): Promise<Point> {
  const box = await target.boundingBox();
  if (!box) throw new Error(`${target} is not visible`);
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

async function replaceText(page: Page, text: string): Promise<void> {
  await page.keyboard.press(`${MODIFIER}+A`);
  await (text ? page.keyboard.type(text, { delay: 10 }) : page.keyboard.press("Delete"));
}
