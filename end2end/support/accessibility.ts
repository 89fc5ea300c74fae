import axe from "axe-core";
import { expect, type CDPSession, type Page } from "@playwright/test";

/** Every rule of WCAG 2.2 A and AA that axe can check, and its best practices. */
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];

const THEMES = {
  light: { colorScheme: "light", forcedColors: "none" },
  dark: { colorScheme: "dark", forcedColors: "none" },
  "forced colours": { colorScheme: "dark", forcedColors: "active" },
} as const;

/** Reasons why axe cannot compute a contrast which hold for correct text: it lies over other text, or is one character. */
const UNDECIDABLE = ["bgOverlap", "elmPartiallyObscured", "elmPartiallyObscuring", "shortTextContent"];

/** The spacing of text that users may set (WCAG 1.4.12). */
const SPACING = "* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important } p { margin-bottom: 2em !important }";

/**
 * Checks the state that the page is in, in every theme: axe finds nothing, no content is cut off or needs scrolling in two
 * directions on 320 pixels with wide text spacing, nor with text of twice the size, and nothing moves if the user wants that.
 * Changes the size of the viewport for a while.
 */
export async function expectAccessible(page: Page, state: string): Promise<void> {
  const found: string[] = [];
  for (const [theme, media] of Object.entries(THEMES)) {
    await page.emulateMedia(media);
    found.push(...(await axeFindings(page)).map((finding) => `${theme}: ${finding}`));
    if (media.forcedColors === "active") found.push(...(await page.evaluate(hiddenTexts)));
  }
  await page.emulateMedia({ colorScheme: "light", forcedColors: "none", reducedMotion: "reduce" });
  found.push(...(await page.evaluate(motions)));
  await page.emulateMedia({ reducedMotion: null });
  found.push(...(await layoutFindings(page)));
  expect.soft(found, state).toEqual([]);
}

async function axeFindings(page: Page): Promise<string[]> {
  // The debugger evaluates it, so the page's policy does not apply.
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(axe.source);
  const run = `axe.run({ iframes: false, runOnly: ${JSON.stringify(TAGS)}, resultTypes: ["violations", "incomplete"] })`;
  const { violations, incomplete } = await page.evaluate<axe.AxeResults>(run);
  const results = [...violations, ...incomplete].flatMap((rule) => rule.nodes.map((node) => ({ rule, node })));
  return results
    .filter(({ node }) => !node.any.some(({ data }) => UNDECIDABLE.includes((data as { messageKey?: string } | null)?.messageKey ?? "")))
    .map(({ rule, node }) => `axe ${rule.id} (${rule.impact}) at ${node.target.join(" ")}: ${node.failureSummary}`);
}

async function layoutFindings(page: Page): Promise<string[]> {
  const size = page.viewportSize();
  if (!size) throw new Error("the page has no viewport");
  const devtools = await page.context().newCDPSession(page);
  await page.setViewportSize({ width: 320, height: 568 });
  await setStyles(page, SPACING);
  const narrow = await page.evaluate(overflows);
  await setStyles(page, "");
  await page.setViewportSize({ width: 640, height: 568 });
  await setFontSize(devtools, 32);
  const large = await page.evaluate(overflows);
  await setFontSize(devtools, 16);
  await page.setViewportSize(size);
  await devtools.detach();
  return [...narrow.map((finding) => `320 pixels: ${finding}`), ...large.map((finding) => `text of 200 %: ${finding}`)];
}

/** Sets the browser's default size of text, as in its settings. */
async function setFontSize(devtools: CDPSession, standard: number): Promise<void> {
  await devtools.send("Page.setFontSizes", { fontSizes: { standard } });
}

/** Replaces the user's styles for the page. */
async function setStyles(page: Page, css: string): Promise<void> {
  await page.evaluate((css) => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    document.adoptedStyleSheets = [sheet];
  }, css);
}

/** Texts with the colour that the browser draws behind texts when it forces colours, in the page. axe does not know of it. */
function hiddenTexts(): string[] {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = "Canvas";
  const canvas = getComputedStyle(probe).color;
  probe.remove();
  const hasText = (element: Element) => [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim());
  const hidden = [...document.querySelectorAll("body *")].filter((element) => hasText(element) && getComputedStyle(element).color === canvas);
  return hidden.map((element) => `forced colours hide "${element.textContent}"`);
}

/** Elements whose content is cut off or overflows, in the page. */
function overflows(): string[] {
  const found: string[] = [];
  for (const element of document.querySelectorAll<HTMLElement>("body, body *")) {
    const style = getComputedStyle(element);
    const isShown = element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) && style.clipPath === "none";
    // The text of an input scrolls.
    if (!isShown || element.clientWidth === 0 || element.matches("input")) continue;
    const name = `${element.localName}${element.id && `#${element.id}`}${element.className && `.${element.getAttribute("class")}`}`;
    if (element.scrollWidth > element.clientWidth + 1) found.push(`${name} overflows: ${element.scrollWidth} > ${element.clientWidth}`);
    const isCut = /hidden|clip/.test(style.overflowY) || style.contain.includes("paint");
    if (isCut && element.scrollHeight > element.clientHeight + 1) found.push(`${name} is cut off: ${element.scrollHeight} > ${element.clientHeight}`);
  }
  const { scrollWidth } = document.documentElement;
  if (scrollWidth > innerWidth) found.push(`the page is ${scrollWidth} pixels wide`);
  return found;
}

/** Animations and transitions of elements that users would see move, in the page. */
function motions(): string[] {
  const seconds = (list: string) => Math.max(...list.split(",").map((time) => Number.parseFloat(time) * (time.trim().endsWith("ms") ? 0.001 : 1)));
  return [...document.querySelectorAll("*")].flatMap((element) =>
    ["", "::before", "::after"].flatMap((pseudo) => {
      const style = getComputedStyle(element, pseudo || null);
      if (pseudo && style.content === "none") return [];
      const isMoving = style.animationName !== "none" && (seconds(style.animationDuration) > 0.01 || style.animationIterationCount === "infinite");
      return isMoving || seconds(style.transitionDuration) > 0.01 ? [`${element.localName}${pseudo} moves`] : [];
    }),
  );
}
