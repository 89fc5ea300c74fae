/**
 * Ways in which an interface of the browser is missing, lies, throws or never answers. Each function runs in a document
 * before any of its scripts.
 */
export const FAULTS = {
  "IndexedDB is missing": () => {
    Object.defineProperty(window, "indexedDB", { value: undefined });
  },
  "IndexedDB denies access": () => {
    const get = () => {
      throw new DOMException("access is denied", "SecurityError");
    };
    Object.defineProperty(window, "indexedDB", { get });
  },
  "IndexedDB never opens": () => {
    const open = IDBFactory.prototype.open;
    IDBFactory.prototype.open = function (...args) {
      const request = open.apply(this, args);
      for (const type of ["success", "error"]) request.addEventListener(type, (event) => event.stopImmediatePropagation());
      return request;
    };
  },
  "IndexedDB never answers a read": () => {
    const getKey = IDBIndex.prototype.getKey;
    IDBIndex.prototype.getKey = function (...args) {
      const request = getKey.apply(this, args);
      request.addEventListener("success", (event) => event.stopImmediatePropagation());
      return request;
    };
  },
  "IndexedDB never commits": () => {
    Object.defineProperty(IDBTransaction.prototype, "oncomplete", { set() {} });
  },
  "IndexedDB is full": () => {
    IDBObjectStore.prototype.add = IDBObjectStore.prototype.put = () => {
      throw new DOMException("no space is left", "QuotaExceededError");
    };
  },
  "web storage is missing": () => {
    for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { value: null });
  },
  "web storage denies access": () => {
    const get = () => {
      throw new DOMException("access is denied", "SecurityError");
    };
    for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { get });
  },
  "web storage is full": () => {
    Storage.prototype.setItem = () => {
      throw new DOMException("no space is left", "QuotaExceededError");
    };
  },
  "the clock is five hours fast": () => {
    const now = Date.now;
    Date.now = () => now() + 5 * 3_600_000;
  },
  "the clock is five hours slow": () => {
    const now = Date.now;
    Date.now = () => now() - 5 * 3_600_000;
  },
  "the clock is set back by three hours while a window is open": () => {
    const [now, open] = [Date.now, window.open.bind(window)];
    let hasOpened = location.pathname === "/confirm";
    Date.now = () => now() - (hasOpened ? 3 * 3_600_000 : 0);
    window.open = (...args) => {
      hasOpened = true;
      return open(...args);
    };
  },
  "the monotonic clock stands still": () => {
    performance.now = () => 1000;
  },
  "the browser claims to be offline": () => {
    Object.defineProperty(Navigator.prototype, "onLine", { get: () => false });
  },
  "fetch never answers": () => {
    const fetch = window.fetch.bind(window);
    window.fetch = (input, init) => (/wasm/.test(String(input)) ? fetch(input, init) : new Promise<never>(() => {}));
  },
  "fetch fails": () => {
    const fetch = window.fetch.bind(window);
    window.fetch = (input, init) => (/wasm/.test(String(input)) ? fetch(input, init) : Promise.reject(new TypeError("Failed to fetch")));
  },
  "WebAssembly is missing": () => {
    delete (globalThis as { WebAssembly?: unknown }).WebAssembly;
  },
  "WebAssembly never starts": () => {
    WebAssembly.instantiateStreaming = WebAssembly.instantiate = () => new Promise<never>(() => {});
  },
  "BroadcastChannel is missing": () => {
    delete (globalThis as { BroadcastChannel?: unknown }).BroadcastChannel;
  },
  "BroadcastChannel throws": () => {
    BroadcastChannel.prototype.postMessage = () => {
      throw new DOMException("the channel is closed", "InvalidStateError");
    };
  },
  "BroadcastChannel is silent": () => {
    BroadcastChannel.prototype.postMessage = () => {};
  },
  "Web Locks are missing": () => {
    Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
  },
  "Web Locks throw": () => {
    LockManager.prototype.request = () => {
      throw new DOMException("locks are denied", "SecurityError");
    };
  },
  "Web Locks are never granted": () => {
    LockManager.prototype.request = () => new Promise<never>(() => {});
  },
  "Web Crypto is missing": () => {
    Object.defineProperty(Crypto.prototype, "subtle", { value: undefined });
  },
  "Web Crypto fails": () => {
    SubtleCrypto.prototype.generateKey = SubtleCrypto.prototype.sign = () => Promise.reject<never>(new DOMException("no", "OperationError"));
  },
  "Web Crypto never answers": () => {
    SubtleCrypto.prototype.generateKey = SubtleCrypto.prototype.sign = () => new Promise<never>(() => {});
  },
  "MessageChannel is missing": () => {
    delete (globalThis as { MessageChannel?: unknown }).MessageChannel;
  },
  "messages to other windows are lost": () => {
    Object.defineProperty(window, "postMessage", { value: () => {} });
    const listen = EventTarget.prototype.addEventListener;
    EventTarget.prototype.addEventListener = function (type, ...rest) {
      if (type !== "message" || this instanceof MessagePort) listen.call(this, type, ...rest);
    };
  },
  "message ports are silent": () => {
    MessagePort.prototype.postMessage = () => {};
  },
  "window.open returns null": () => {
    window.open = () => null;
  },
  "window.open throws": () => {
    window.open = () => {
      throw new DOMException("denied", "SecurityError");
    };
  },
  "window.open returns a closed window": () => {
    const open = window.open.bind(window);
    window.open = (...args) => {
      const opened = open(...args);
      opened?.close();
      return opened;
    };
  },
  "window.open returns a window that stays empty": () => {
    const open = window.open.bind(window);
    window.open = (_, ...rest) => open("about:blank", ...rest);
  },
} satisfies Record<string, () => void>;
