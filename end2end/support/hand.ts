import { expect, type Locator, type Page } from "@playwright/test";

/** How a person works a page. All of it makes trusted events, as a device would. */
export interface Hand {
  readonly name: string;
  /** Activates a button or link. */
  press(target: Locator): Promise<void>;
  /** Replaces the text of a field. */
  write(target: Locator, text: string): Promise<void>;
  /** The same hand in another window. */
  in(page: Page): Hand;
}

const MODIFIER = process.platform === "darwin" ? "Meta" : "Control";

/** A mouse that moves as a hand does: on a bent way, slow at both ends, never quite regular. */
export class Mouse implements Hand {
  readonly name = "mouse";
  private at = { x: 40, y: 60 };

  constructor(private readonly page: Page) {}

  in(page: Page): Hand {
    return new Mouse(page);
  }

  async moveTo(target: Locator): Promise<void> {
    const to = await centre(target);
    const from = this.at;
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const bend = (0.08 + Math.random() * 0.08) * (Math.random() < 0.5 ? -1 : 1);
    const steps = 18 + Math.floor(Math.random() * 8);
    for (let step = 1; step <= steps; step++) {
      const t = step / steps;
      // Minimum jerk: how far a hand is after a part of its time.
      const way = t * t * t * (10 - 15 * t + 6 * t * t);
      const side = bend * Math.sin(Math.PI * way);
      const tremor = step < steps ? (Math.random() - 0.5) * 2 : 0;
      await this.page.mouse.move(from.x + dx * way - dy * side + tremor, from.y + dy * way + dx * side + tremor);
      await this.page.waitForTimeout(6 + Math.random() * 10);
    }
    this.at = to;
  }

  async press(target: Locator): Promise<void> {
    await reachable(target);
    await this.moveTo(target);
    await this.page.mouse.down();
    await this.page.waitForTimeout(60 + Math.random() * 60);
    await this.page.mouse.up();
  }

  async write(target: Locator, text: string): Promise<void> {
    await this.press(target);
    await type(this.page, text);
  }
}

/** A keyboard and nothing else: Tab until it is reached, Enter to activate. */
export class Keyboard implements Hand {
  readonly name = "keyboard";

  constructor(private readonly page: Page) {}

  in(page: Page): Hand {
    return new Keyboard(page);
  }

  async press(target: Locator): Promise<void> {
    await this.reach(target);
    // In the confirmation window Tab begins a short wait.
    await expect(target).toBeEnabled();
    await this.page.keyboard.press("Enter", { delay: 70 });
  }

  async write(target: Locator, text: string): Promise<void> {
    await this.reach(target);
    await type(this.page, text);
  }

  private async reach(target: Locator): Promise<void> {
    await expect(target).toBeEnabled();
    for (let tabs = 0; tabs < 60; tabs++) {
      if (await target.evaluate((element) => element === document.activeElement && document.hasFocus())) return;
      await this.page.keyboard.press("Tab");
    }
    throw new Error(`no number of Tabs reaches ${target}`);
  }
}

/** A finger. */
export class Finger implements Hand {
  readonly name = "touch";

  constructor(private readonly page: Page) {}

  in(page: Page): Hand {
    return new Finger(page);
  }

  async press(target: Locator): Promise<void> {
    await reachable(target);
    const { x, y } = await centre(target);
    await this.page.touchscreen.tap(x, y);
  }

  async write(target: Locator, text: string): Promise<void> {
    await this.press(target);
    await type(this.page, text);
  }
}

/** Waits until a control works: before hydration, and while a call is under way, it is disabled. */
async function reachable(target: Locator): Promise<void> {
  await expect(target).toBeEnabled();
  await target.scrollIntoViewIfNeeded();
}

async function centre(target: Locator): Promise<{ x: number; y: number }> {
  const box = await target.boundingBox();
  if (!box) throw new Error(`${target} is not to be seen`);
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

async function type(page: Page, text: string): Promise<void> {
  await page.keyboard.press(`${MODIFIER}+A`);
  await (text ? page.keyboard.type(text, { delay: 10 }) : page.keyboard.press("Delete"));
}
