import { connect } from "node:net";
import { ServerProcess } from "./server-process.ts";

/** Starts Redis on that port. It loads a snapshot from the folder at start and writes one there when it terminates. */
export async function startRedis(folder: string, port: number): Promise<ServerProcess> {
  const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", "3600 1", "--appendonly", "no"];
  return ServerProcess.start("redis-server", "redis-server", args, port);
}

/** Sends a command that replies `OK`, such as `FLUSHALL`. */
export async function sendRedisCommand(port: number, command: string): Promise<void> {
  await new Promise<void>((done, failed) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${command}\r\n`));
    socket.on("error", failed);
    socket.on("data", (reply) => {
      socket.destroy();
      if (reply.toString().startsWith("+OK")) done();
      else failed(new Error(reply.toString()));
    });
  });
}

/** Makes Redis write its snapshot now. */
export async function saveRedis(port: number): Promise<void> {
  await sendRedisCommand(port, "SAVE");
}
