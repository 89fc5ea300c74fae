import type { BrowserContext, Frame, Page } from "@playwright/test";
import type { House } from "./servers.ts";

/** How browsers refuse a site its storage: at once, when a database is opened or made, or when a key is written. */
export const BLOCKED = {
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
    IDBFactory.prototype.open = function (...given) {
      const request = open.apply(this, given);
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
    IDBObjectStore.prototype.put = function (...given) {
      const request = put.apply(this, given);
      request.addEventListener("success", () => request.transaction?.abort());
      return request;
    };
  },
};

/** Blocks the storage of the sign origin, and of no other. */
export async function blockStorage(where: BrowserContext | Page, house: House, block: () => void): Promise<void> {
  await where.addInitScript(`if (location.origin === ${JSON.stringify(house.sign)}) (${block})()`);
}

/** The kinds of keys that the sign origin keeps. */
export type KeyKind = "keys" | "confirmation_keys";

/** The page's signing frame. */
export function signingFrame(page: Page, house: House): Frame {
  const frame = page.frames().find((frame) => frame.url().startsWith(house.sign));
  if (!frame) throw new Error("there is no signing frame");
  return frame;
}

/** How many keys of a kind the browser keeps. */
export async function countKeys(page: Page, house: House, kind: KeyKind): Promise<number> {
  return signingFrame(page, house).evaluate(
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

/** Evicts keys, as a browser does that is short of space, or that keeps the frame's storage for seven days. */
export async function evict(page: Page, house: House, ...kinds: KeyKind[]): Promise<void> {
  await signingFrame(page, house).evaluate(
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
