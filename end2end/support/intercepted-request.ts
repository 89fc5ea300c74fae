import type { Page, Request, Route } from "@playwright/test";
import type { Headers } from "./http.ts";
import { sessionToken } from "./session-token.ts";

/** A complete request of the page that did not reach the server. */
export interface InterceptedRequest {
  path: string;
  body: string;
  headers: Headers;
}

/** Intercepts the next request to `path`, which `act` makes the page send. */
export async function interceptNext(page: Page, path: string, act: () => Promise<unknown>): Promise<InterceptedRequest> {
  const pattern = `**${path}`;
  let intercept: (request: Request) => void = () => {};
  const intercepted = new Promise<Request>((resolve) => (intercept = resolve));
  const handler = async (route: Route) => {
    intercept(route.request());
    await route.abort();
  };
  await page.route(pattern, handler, { times: 1 });
  await act();
  const request = await intercepted;
  await page.unroute(pattern, handler);
  const kept = Object.entries(request.headers()).filter(([name]) => /^(origin|content-type|x-|content-digest|signature|pan-)/.test(name));
  const cookie: [string, string] = ["cookie", `__Host-pan=${await sessionToken(page)}`];
  // Playwright cannot read bodies in Firefox. A read sends an empty object; with another body the signature would not hold.
  return { path, body: request.postData() ?? "{}", headers: [...kept, ["sec-fetch-site", "same-origin"], cookie] };
}
