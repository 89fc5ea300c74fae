import type { CDPSession, Page } from "@playwright/test";

type Node = Awaited<ReturnType<typeof fullTree>>[number];

/** What has the focus, as assistive technology is told it. */
export interface Focus {
  /** Role and name. */
  name: string;
  description: string;
  /** Whether there is a focus ring. */
  hasRing: boolean;
  /** Whether it is in view and nothing covers it. */
  isInView: boolean;
}

/** A live region: assistive technology announces changes of its text. */
export interface LiveRegion {
  live: "polite" | "assertive";
  text: string;
}

const CONTROLS = ["link", "button", "textbox", "DisclosureTriangle"];
const STRUCTURE = ["banner", "navigation", "main", "contentinfo", "region", "heading", "list", "table"];

/** Landmarks, headings, lists, tables and controls in Chromium's accessibility tree: role and name, in order. */
export async function outline(page: Page): Promise<string[]> {
  return withTree(page, async (devtools) =>
    (await fullTree(devtools))
      .filter((node) => !node.ignored && [...CONTROLS, ...STRUCTURE].includes(String(node.role?.value)))
      .map(roleAndName),
  );
}

/** What has the focus. */
export async function focus(page: Page): Promise<Focus> {
  return withTree(page, async (devtools) => {
    const { result } = await devtools.send("Runtime.evaluate", { expression: "document.activeElement" });
    const { nodes } = await devtools.send("Accessibility.getPartialAXTree", { objectId: result.objectId!, fetchRelatives: false });
    return {
      name: roleAndName(nodes[0]!),
      description: String(nodes[0]!.description?.value ?? ""),
      ...(await page.evaluate(() => {
        const element = document.activeElement as HTMLElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        const { left, right, top, bottom } = element.getBoundingClientRect();
        const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
        return { hasRing: outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 2, isInView: element.contains(hit) };
      })),
    };
  });
}

/** Presses Tab until the focus is back at the start of the page. Returns what had the focus, in order. */
export async function tabThrough(page: Page): Promise<Focus[]> {
  const stops: Focus[] = [];
  for (let tabs = 0; tabs < 60; tabs++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement === document.body)) return stops;
    const stop = await focus(page);
    if (stop.name === stops[0]?.name) return stops;
    stops.push(stop);
  }
  throw new Error("Tab does not return to the start of the page");
}

/** The live regions in Chromium's accessibility tree, by the identifier of their element. */
export async function liveRegions(page: Page): Promise<Map<number, LiveRegion>> {
  return withTree(page, async (devtools) => {
    const nodes = await fullTree(devtools);
    const byId = new Map(nodes.map((node) => [node.nodeId, node]));
    const liveOf = (node: Node | undefined) => node?.properties?.find(({ name }) => name === "live")?.value.value as string | undefined;
    const textOf = (node: Node): string =>
      node.role?.value === "StaticText" ? String(node.name?.value) : (node.childIds ?? []).map((id) => byId.get(id)).map((child) => (child ? textOf(child) : "")).join(" ");
    return new Map(
      nodes
        .filter((node) => !node.ignored && /polite|assertive/.test(liveOf(node) ?? "") && liveOf(byId.get(node.parentId ?? "")) !== liveOf(node))
        .map((node) => [node.backendDOMNodeId!, { live: liveOf(node) as LiveRegion["live"], text: textOf(node).replace(/\s+/g, " ").trim() }]),
    );
  });
}

function roleAndName(node: Pick<Node, "role" | "name">): string {
  return `${node.role?.value} ${node.name?.value ?? ""}`.trim();
}

/** The nodes of the tree, each before its children. */
async function fullTree(devtools: CDPSession) {
  const { nodes } = await devtools.send("Accessibility.getFullAXTree");
  const byId = new Map(nodes.map((node) => [node.nodeId, node]));
  const withChildren = (node: (typeof nodes)[number]): typeof nodes => [node, ...(node.childIds ?? []).flatMap((id) => withChildren(byId.get(id)!))];
  return nodes.filter((node) => node.parentId === undefined).flatMap(withChildren);
}

async function withTree<T>(page: Page, read: (devtools: CDPSession) => Promise<T>): Promise<T> {
  const devtools = await page.context().newCDPSession(page);
  try {
    return await read(devtools);
  } finally {
    await devtools.detach();
  }
}
