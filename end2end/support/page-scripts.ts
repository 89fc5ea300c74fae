import type { Page } from "@playwright/test";
import type { TestServer } from "./test-server.ts";

/** A page or frame in which a test runs a script. */
export type ScriptedPage = Pick<Page, "evaluate">;

/** Everything that script in the page can read: storage, cookies, HTML, responses, the window's name. */
export async function readEverything(page: ScriptedPage): Promise<string> {
  return page.evaluate(async () => {
    const stores = [localStorage, sessionStorage].map((store) => JSON.stringify(store));
    const html = document.documentElement.outerHTML;
    const shown = await fetch("/account").then(async (reply) => (await reply.text()) + JSON.stringify([...reply.headers]));
    const listed = "cookieStore" in window ? JSON.stringify(await (window as never as { cookieStore: { getAll(): Promise<object> } }).cookieStore.getAll()) : "";
    return [document.cookie, ...stores, html, shown, listed, window.name].join("\n");
  });
}

/** What script in the page reaches of the signing frame: names of errors, and the databases of its own origin. */
export async function reachIntoFrame(page: ScriptedPage): Promise<object> {
  return page.evaluate(async () => {
    const attempt = async (work: () => unknown) => {
      try {
        return `reached: ${String(await work())}`;
      } catch (error) {
        return (error as Error).name;
      }
    };
    const element = document.querySelector<HTMLIFrameElement>("#pan-frame");
    const inner = element?.contentWindow as never as Window & typeof globalThis;
    return {
      document: await attempt(() => inner.document.body.innerHTML),
      contentDocument: element?.contentDocument === null,
      database: await attempt(() => inner.indexedDB.databases()),
      crypto: await attempt(() => inner.crypto.subtle),
      global: await attempt(() => (inner as never as Record<string, unknown>)["wasm_bindgen"]),
      own: (await indexedDB.databases()).map(({ name }) => name),
    };
  });
}

/** What `reachIntoFrame` returns if it reaches nothing. */
export const NOTHING_REACHED = {
  document: "SecurityError",
  contentDocument: true,
  database: "SecurityError",
  crypto: "SecurityError",
  global: "SecurityError",
  own: [],
};

/** What script inside the signing frame can do with the stored keys. */
export async function exportKeys(frame: ScriptedPage): Promise<{ keys: number; extractable: boolean; exported: string[]; signs: number | undefined }> {
  return frame.evaluate(async () => {
    const opened = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open("pan");
      request.onsuccess = () => resolve(request.result);
      request.onerror = reject;
    });
    const keys: CryptoKey[] = [];
    for (const name of opened.objectStoreNames) {
      const records = await new Promise<object[]>((resolve) => {
        const request = opened.transaction(name).objectStore(name).getAll();
        request.onsuccess = () => resolve(request.result as object[]);
      });
      keys.push(...records.flatMap((record) => Object.values(record)).filter((value) => value instanceof CryptoKey));
    }
    const exported = [];
    for (const format of ["jwk", "pkcs8", "raw"] as const) {
      for (const key of keys) exported.push(await crypto.subtle.exportKey(format as "jwk", key).then(String, (error: Error) => error.name));
    }
    const signature = keys[0] && (await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, keys[0], new Uint8Array(1)));
    opened.close();
    return { keys: keys.length, extractable: keys.some((key) => key.extractable), exported, signs: signature?.byteLength };
  });
}

/** Sends requests to the sign origin in all ways that page script has. Returns the responses that it could read. */
export async function sendFromPage(page: ScriptedPage, server: TestServer, path: string, body: string): Promise<string[]> {
  return page.evaluate(
    async ({ url, body }) => {
      const json = { "content-type": "application/json" };
      const tries: RequestInit[] = [
        { method: "POST", body, credentials: "include", headers: json },
        { method: "POST", body, credentials: "include", mode: "no-cors", headers: { "content-type": "text/plain" } },
        { method: "GET", credentials: "include", mode: "no-cors" },
      ];
      const read = await Promise.all(tries.map((init) => fetch(url, init).then((reply) => reply.text()).catch(() => "")));
      navigator.sendBeacon(url, new Blob([body], { type: "application/json" }));
      const form = Object.assign(document.createElement("form"), { method: "post", action: url, enctype: "text/plain", target: "pan-frame" });
      form.append(Object.assign(document.createElement("input"), { name: body }));
      document.body.append(form);
      try {
        form.submit();
      } catch {
        // Firefox throws where the page's policy forbids the form.
      }
      form.remove();
      return read.filter((text) => text !== "");
    },
    { url: server.sign + path, body },
  );
}

/** Changes the display name as a user would, with synthetic events. */
export async function changeNameBySyntheticEvents(page: ScriptedPage): Promise<void> {
  await page.evaluate(() => {
    const field = document.querySelector<HTMLInputElement>("#name");
    const button = field?.form?.querySelector("button");
    if (!field || !button) throw new Error("the form is gone");
    field.value = "Robot";
    const at = button.getBoundingClientRect();
    const init = { bubbles: true, cancelable: true, composed: true, clientX: at.x + 5, clientY: at.y + 5, detail: 1, pointerType: "mouse" };
    for (const type of ["pointermove", "pointerdown", "mousedown", "pointerup", "mouseup", "click"]) button.dispatchEvent(new PointerEvent(type, init));
    for (const type of ["keydown", "keyup"]) button.dispatchEvent(new KeyboardEvent(type, { bubbles: true, key: "Enter" }));
    button.click();
    field.form?.requestSubmit();
  });
}

/** Presses the confirmation window's button with synthetic events. */
export async function confirmBySyntheticEvents(window: ScriptedPage): Promise<void> {
  await window.evaluate(() => {
    const button = document.querySelector<HTMLElement>("#confirm");
    if (!button) throw new Error("the button is gone");
    const init = { bubbles: true, composed: true, detail: 1 };
    for (const type of ["pointerdown", "pointerup", "click"]) button.dispatchEvent(new PointerEvent(type, init));
    for (const type of ["keydown", "keyup"]) button.dispatchEvent(new KeyboardEvent(type, { bubbles: true, key: "Enter" }));
    button.click();
  });
}

/** Posts a stolen password to every path that could take one, in all ways that page script has. Returns one line for each. */
export async function postPasswords(page: ScriptedPage, server: TestServer, body: string): Promise<string[]> {
  return page.evaluate(
    async ({ app, sign, body }) => {
      const outcomes: string[] = [];
      for (const url of [`${app}/api/sign_in`, `${app}/api/register`, `${app}/sign-in`, `${app}/register`, `${sign}/sign-in`, `${sign}/register`]) {
        for (const init of [
          { headers: { "content-type": "application/json" } },
          { headers: { "content-type": "text/plain" }, mode: "no-cors" as const },
          { headers: { "content-type": "application/x-www-form-urlencoded" }, mode: "no-cors" as const },
        ]) {
          const reply = await fetch(url, { method: "POST", credentials: "include", body, ...init }).catch(() => null);
          outcomes.push(`${url} ${reply ? `${reply.type} ${reply.status} ${await reply.text()}` : "failed"}`);
        }
      }
      return outcomes;
    },
    { app: server.app, sign: server.sign, body },
  );
}

/** Submits a form that the page's policy forbids. Returns the directive that it violates. */
export async function submitForbiddenForm(page: ScriptedPage, action: string, enctype: string, fields: Record<string, string>): Promise<string> {
  return page.evaluate(
    ({ action, enctype, fields }) =>
      new Promise<string>((done) => {
        addEventListener("securitypolicyviolation", ({ effectiveDirective }) => done(effectiveDirective));
        const form = Object.assign(document.createElement("form"), { method: "post", action, enctype });
        for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), { name, value }));
        document.body.append(form);
        try {
          form.submit();
        } catch {
          // Firefox throws, after the event.
        }
      }),
    { action, enctype, fields },
  );
}

/** Posts a form, which leaves the page. */
export async function postForm(page: ScriptedPage, action: string, fields: Record<string, string>): Promise<void> {
  await page.evaluate(
    ({ action, fields }) => {
      const form = Object.assign(document.createElement("form"), { method: "post", action });
      for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), { name, value, type: "hidden" }));
      document.body.append(form);
      form.submit();
    },
    { action, fields },
  );
}

/** Sets cookies by script. */
export async function plantCookies(page: ScriptedPage, cookies: string[]): Promise<void> {
  await page.evaluate((cookies) => cookies.forEach((cookie) => (document.cookie = cookie)), cookies);
}
