import type { BrowserContext, Frame, Page } from "@playwright/test";
import type { TestServer } from "./test-server.ts";

/** The ways in which browsers deny a site its storage: on access, on opening or creating a database, or on writing a key. */
export const STORAGE_FAILURES = {
  "denies its storage": () => {
    const get = () => {
      throw new DOMException("access is denied", "SecurityError");
    };
    Object.defineProperty(window, "indexedDB", { get });
  },
  "throws when a database is opened": () => {
    IDBFactory.prototype.open = () => {
      throw new DOMException("not in a private window", "InvalidStateError");
    };
  },
  "lets no database be made": () => {
    const open = IDBFactory.prototype.open;
    IDBFactory.prototype.open = function (...args) {
      const request = open.apply(this, args);
      request.addEventListener("upgradeneeded", () => request.transaction?.abort());
      return request;
    };
  },
  "cannot clone a key": () => {
    IDBObjectStore.prototype.add = IDBObjectStore.prototype.put = () => {
      throw new DOMException("a key cannot be cloned", "DataCloneError");
    };
  },
  "has a full disk": () => {
    const put = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = function (...args) {
      const request = put.apply(this, args);
      request.addEventListener("success", () => request.transaction?.abort());
      return request;
    };
  },
};

/** Makes the storage of the sign origin fail, in documents that load from now on. */
export async function breakStorage(where: BrowserContext | Page, server: TestServer, block: () => void): Promise<void> {
  await where.addInitScript(`if (location.origin === ${JSON.stringify(server.sign)}) (${block})()`);
}

/** The object stores with the sign origin's keys. */
export type KeyKind = "keys" | "confirmation_keys";

/** The page's signing frame. */
export function signingFrame(page: Page, server: TestServer): Frame {
  const frame = page.frames().find((frame) => frame.url().startsWith(server.sign));
  if (!frame) throw new Error("there is no signing frame");
  return frame;
}

/** How many keys of a kind the browser stores. */
export async function countKeys(page: Page, server: TestServer, kind: KeyKind): Promise<number> {
  return signingFrame(page, server).evaluate(
    (kind) =>
      new Promise<number>((done, failed) => {
        const open = indexedDB.open("pan");
        open.onerror = () => failed(open.error);
        open.onsuccess = () => {
          const count = open.result.transaction(kind).objectStore(kind).count();
          count.onsuccess = () => (open.result.close(), done(count.result));
        };
      }),
    kind,
  );
}

/** Deletes keys, as a browser does that is short of space or that limits the frame's storage to seven days. */
export async function evictKeys(page: Page, server: TestServer, ...kinds: KeyKind[]): Promise<void> {
  await signingFrame(page, server).evaluate(
    (kinds) =>
      new Promise<void>((done, failed) => {
        const open = indexedDB.open("pan");
        open.onerror = () => failed(open.error);
        open.onsuccess = () => {
          const transaction = open.result.transaction(kinds, "readwrite");
          for (const kind of kinds) transaction.objectStore(kind).clear();
          transaction.oncomplete = () => (open.result.close(), done());
        };
      }),
    kinds,
  );
}
