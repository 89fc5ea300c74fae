import { connect, createServer } from "node:net";

/** A TCP port that nothing listens on. */
export async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((done) => listener.listen(0, "127.0.0.1", done));
  const address = listener.address();
  await new Promise((done) => listener.close(done));
  if (!address || typeof address === "string") throw new Error("no free port");
  return address.port;
}

/** Whether a process on this machine accepts connections on that port. */
export async function isPortOpen(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1", () => done(true)).on("error", () => done(false));
    socket.on("connect", () => socket.destroy());
  });
}
