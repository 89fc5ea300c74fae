import type { Page } from "@playwright/test";

declare global {
  interface Window {
    /** Translates the document, and what is added to it. */
    translate: (() => void) | undefined;
    /** Puts the original texts back. */
    untranslate: (() => void) | undefined;
  }
}

/**
 * A translator as browsers have one: it puts `<font><font>…</font></font>` in place of each text node, also of those that are
 * added or changed later. It respects `translate="no"`, unless it is `rude`. The translation of "text" is "«text»".
 */
export function installTranslator(isRude: boolean): void {
  const originals = new Map<Element, Text>();
  const translate = (root: Node) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const texts: Text[] = [];
    for (let node = walker.currentNode; node; node = walker.nextNode()!) if (node instanceof Text) texts.push(node);
    for (const text of texts) {
      const parent = text.parentElement;
      if (!parent || !text.data.trim() || parent.closest("font, script, style, noscript")) continue;
      if (!isRude && parent.closest("[translate=no]")) continue;
      const [outer, inner] = [document.createElement("font"), document.createElement("font")];
      outer.append(inner);
      inner.append(`«${text.data.trim()}»`);
      text.replaceWith(outer);
      originals.set(outer, text);
    }
  };
  const observer = new MutationObserver((records) => {
    for (const { type, target, addedNodes } of records) {
      for (const node of type === "characterData" ? [target] : addedNodes) if (node.isConnected) translate(node);
    }
  });
  window.translate = () => {
    translate(document.body);
    observer.observe(document.body, { childList: true, characterData: true, subtree: true });
  };
  window.untranslate = () => {
    observer.disconnect();
    for (const [outer, text] of originals) if (outer.isConnected) outer.replaceWith(text);
    originals.clear();
  };
}

/** Translates an open page. */
export async function translate(page: Page, { isRude = false } = {}): Promise<void> {
  await page.evaluate(installTranslator, isRude);
  await page.evaluate(() => window.translate?.());
}

/** Translates documents that load from now on, before their scripts have started. */
export async function translateEarly(page: Page, { isRude = false } = {}): Promise<void> {
  const install = `(${installTranslator})(${isRude})`;
  await page.addInitScript(`${install}; addEventListener("DOMContentLoaded", () => parent === window && window.translate())`);
}
