import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import type { TestServer } from "./test-server.ts";

/** Header names and values in the order of sending. A name may occur twice. */
export type Headers = [string, string][];

/** An HTTP request whose headers are sent exactly as given. */
export interface RawRequest {
  method?: string;
  /** Path and query. */
  path: string;
  headers: Headers;
  body?: string | Buffer;
  /** The `Content-Length`, if it differs from the length of `body`. The missing bytes are never sent. */
  announcedLength?: number;
}

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
  /** The code of the problem document; undefined if the reply is not a problem document. */
  code: string | undefined;
}

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

/** Sends a request with exactly these headers. A browser's `fetch` could not send many of the requests in these tests. */
export async function send(server: TestServer, { method = "POST", path, headers, body = "", announcedLength }: RawRequest): Promise<Reply> {
  const has = (name: string) => headers.some(([key]) => key.toLowerCase() === name);
  const host: Headers = has("host") ? [] : [["host", new URL(server.app).host]];
  const length: Headers = has("content-length") || method === "GET" ? [] : [["content-length", `${announcedLength ?? Buffer.byteLength(body)}`]];
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port: server.port, method, path, agent, setHost: false, headers: [...host, ...length, ...headers].flat() },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          if (announcedLength !== undefined) sent.destroy();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, code: problemCode(response.headers, text) });
        });
      },
    );
    sent.on("error", reject);
    if (announcedLength === undefined) sent.end(body);
    else sent.write(body);
  });
}

function problemCode(headers: IncomingHttpHeaders, body: string): string | undefined {
  if (headers["content-type"] !== "application/problem+json" || !body) return undefined;
  const problem = JSON.parse(body) as { code: string };
  return problem.code;
}

/** Writes bytes to the server and returns the first line of the response. */
export async function sendRawBytes(server: TestServer, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let response = "";
    const socket = connect(server.port, "127.0.0.1", () => socket.write(bytes));
    const done = () => resolve(response.split("\r\n")[0] ?? "");
    socket.setTimeout(5_000, () => socket.destroy(new Error("no response")));
    socket.on("data", (data) => {
      response += data.toString("latin1");
      if (response.includes("\r\n\r\n")) socket.destroy();
    });
    socket.on("close", done);
    socket.on("error", reject);
  });
}
