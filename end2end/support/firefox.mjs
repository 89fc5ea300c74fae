#!/usr/bin/env node
// Starts the distribution's Firefox for Playwright, which controls it by WebDriver BiDi. Playwright always sends a command
// that Firefox 153 ESR does not know. This program passes all messages on, and reports success for that command.
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { WebSocket, WebSocketServer } from "ws";

/** Sets the emulated colour scheme. The tests emulate none. */
const UNKNOWN = "emulation.setMediaFeaturesOverride";
const ANNOUNCEMENT = /WebDriver BiDi listening on (ws:\/\/\S+)/;

const firefox = execFileSync(join(import.meta.dirname, "../../scripts/firefox.sh"), { encoding: "utf8" }).trim();
const child = spawn(firefox, process.argv.slice(2), { stdio: ["ignore", "inherit", "pipe"] });
child.on("exit", (code) => process.exit(code ?? 1));
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));

child.stderr.setEncoding("utf8");
child.stderr.on("data", (text) => {
  const address = ANNOUNCEMENT.exec(text)?.[1];
  if (!address) return process.stderr.write(text);
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 }, () => {
    console.error(`WebDriver BiDi listening on ws://127.0.0.1:${server.address().port}`);
  });
  server.on("connection", (playwright, { url }) => relay(playwright, new WebSocket(address + url)));
});

function relay(playwright, browser) {
  const unknown = new Set();
  const waiting = [];
  playwright.on("message", (data) => {
    const text = data.toString();
    const { id, method } = JSON.parse(text);
    if (method === UNKNOWN) unknown.add(id);
    if (browser.readyState === WebSocket.OPEN) browser.send(text);
    else waiting.push(text);
  });
  browser.on("open", () => waiting.forEach((text) => browser.send(text)));
  browser.on("message", (data) => {
    const text = data.toString();
    const { id, type } = JSON.parse(text);
    const failed = unknown.delete(id) && type === "error";
    playwright.send(failed ? JSON.stringify({ type: "success", id, result: {} }) : text);
  });
  for (const [one, other] of [[playwright, browser], [browser, playwright]]) {
    one.on("close", () => other.close());
    one.on("error", () => other.terminate());
  }
}
