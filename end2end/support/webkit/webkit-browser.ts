import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Builder, Capabilities, type WebDriver } from "selenium-webdriver";
import { freePort } from "../ports.ts";
import { ServerProcess } from "../server-process.ts";
import { ConnectProxy } from "./connect-proxy.ts";
import { WebKitPage } from "./webkit-page.ts";

/** A virtual screen with a window manager, which WebKitGTK needs: without one, no new window gets the focus. */
export class VirtualScreen {
  private constructor(
    private readonly server: ChildProcess,
    private readonly windowManager: ChildProcess,
    /** The value of `DISPLAY`. */
    readonly display: string,
  ) {}

  static async start(): Promise<VirtualScreen> {
    // Xvfb chooses a free number and writes it to file descriptor 3.
    const args = ["-displayfd", "3", "-screen", "0", "1600x1200x24", "-nolisten", "tcp"];
    const server = spawn("Xvfb", args, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
    const number = await new Promise<string>((done, failed) => {
      server.on("error", failed);
      server.on("exit", () => failed(new Error("Xvfb does not start")));
      server.stdio[3]?.once("data", (data: Buffer) => done(data.toString().trim()));
    });
    const display = `:${number}`;
    const windowManager = spawn("openbox", ["--sm-disable"], { stdio: "ignore", env: { ...process.env, DISPLAY: display } });
    await once(windowManager, "spawn");
    return new VirtualScreen(server, windowManager, display);
  }

  async stop(): Promise<void> {
    for (const child of [this.windowManager, this.server]) {
      if (child.exitCode !== null) continue;
      child.kill();
      await once(child, "exit");
    }
  }
}

/** A WebKitGTK without cookies and storage, remote-controlled by WebDriver. */
export class WebKitBrowser {
  private constructor(
    readonly driver: WebDriver,
    private readonly driverProcess: ServerProcess,
    private readonly proxy: ConnectProxy,
  ) {}

  /** Starts one whose requests all go to the local port `https`. */
  static async start(screen: VirtualScreen, https: number): Promise<WebKitBrowser> {
    const proxy = await ConnectProxy.start(https);
    const port = await freePort();
    const driverProcess = await ServerProcess.start("WebKitWebDriver", "WebKitWebDriver", [`--port=${port}`], port, { DISPLAY: screen.display });
    try {
      const capabilities = new Capabilities({
        browserName: "MiniBrowser",
        acceptInsecureCerts: true,
        // WebKitGTK's driver would talk TLS to a proxy in the capability `proxy`.
        "webkitgtk:browserOptions": { args: ["--automation", `--proxy=http://127.0.0.1:${proxy.port}`] },
      });
      const driver = await new Builder().usingServer(`http://127.0.0.1:${port}`).withCapabilities(capabilities).build();
      await driver.manage().setTimeouts({ script: 60_000, pageLoad: 60_000 });
      return new WebKitBrowser(driver, driverProcess, proxy);
    } catch (error) {
      await driverProcess.stop();
      await proxy.stop();
      throw error;
    }
  }

  /** The page in the browser's first window. */
  async firstPage(): Promise<WebKitPage> {
    return new WebKitPage(this, await this.driver.getWindowHandle());
  }

  /** All windows, in no particular order. */
  async windows(): Promise<string[]> {
    return this.driver.getAllWindowHandles();
  }

  /** The window that is open now and was not among `before`. */
  async windowOpenedSince(before: string[]): Promise<WebKitPage | undefined> {
    const handle = (await this.windows()).find((handle) => !before.includes(handle));
    return handle === undefined ? undefined : new WebKitPage(this, handle);
  }

  async stop(): Promise<void> {
    // Ends MiniBrowser too.
    await this.driver.quit().catch(() => undefined);
    await this.driverProcess.stop();
    await this.proxy.stop();
  }
}
