import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BrowserContext, LaunchOptions, PlaywrightWorkerArgs } from "@playwright/test";
import { createTemporaryFolder, removeFolder } from "./server-process.ts";

/** Runs `use` in a browser that zooms every page by a factor, as its settings do, on a laptop's screen of 1366 × 768. */
export async function withZoom(
  { playwright, launchOptions }: { playwright: PlaywrightWorkerArgs["playwright"]; launchOptions: LaunchOptions },
  factor: number,
  use: (context: BrowserContext) => Promise<void>,
): Promise<void> {
  const profile = await createTemporaryFolder();
  await mkdir(join(profile, "Default"));
  // Chromium stores the exponent of 1.2.
  const level = Math.log(factor) / Math.log(1.2);
  await writeFile(join(profile, "Default/Preferences"), JSON.stringify({ partition: { default_zoom_level: { x: level } } }));
  const context = await playwright.chromium.launchPersistentContext(profile, {
    ...launchOptions,
    args: [...(launchOptions.args ?? []), "--screen-info={1366x768}", "--window-size=1366,768"],
    // The real window, not an emulated one.
    ...({ viewport: null, deviceScaleFactor: undefined } as { viewport: null }),
  });
  try {
    await use(context);
  } finally {
    await context.close();
    await removeFolder(profile);
  }
}
