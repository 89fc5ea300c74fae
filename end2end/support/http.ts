import { Agent, type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import type { House } from "./servers.ts";

/** Names and values in the order sent; a name may come twice. */
export type Headers = [string, string][];

export interface Sent {
  method?: string;
  /** Path and query. */
  path: string;
  headers: Headers;
  body?: string | Buffer;
  /** How many bytes are said to come. Those that are not in `body` never do. */
  announced?: number;
}

export interface Reply {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
  /** The code of a problem document; undefined when the reply is none. */
  code: string | undefined;
}

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

/** Sends exactly these headers: what a thief or a broken client sends, which no browser's fetch would. */
export async function send(house: House, { method = "POST", path, headers, body = "", announced }: Sent): Promise<Reply> {
  const has = (name: string) => headers.some(([key]) => key.toLowerCase() === name);
  const host: Headers = has("host") ? [] : [["host", new URL(house.app).host]];
  const length: Headers = has("content-length") || method === "GET" ? [] : [["content-length", `${announced ?? Buffer.byteLength(body)}`]];
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: "127.0.0.1", port: house.port, method, path, agent, setHost: false, headers: [...host, ...length, ...headers].flat() },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          if (announced !== undefined) sent.destroy();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, code: code(response.headers, text) });
        });
      },
    );
    sent.on("error", reject);
    if (announced === undefined) sent.end(body);
    else sent.write(body);
  });
}

function code(headers: IncomingHttpHeaders, body: string): string | undefined {
  if (headers["content-type"] !== "application/problem+json" || !body) return undefined;
  const problem = JSON.parse(body) as { code: string };
  return problem.code;
}

/** Writes bytes to the server and gives back the first line of its answer. */
export async function sendBytes(house: House, bytes: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(house.port, "127.0.0.1", () => socket.write(bytes));
    const done = () => resolve(answer.split("\r\n")[0] ?? "");
    socket.setTimeout(5_000, () => socket.destroy(new Error("no answer")));
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      if (answer.includes("\r\n\r\n")) socket.destroy();
    });
    socket.on("close", done);
    socket.on("error", reject);
  });
}
