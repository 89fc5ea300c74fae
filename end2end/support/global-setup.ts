import { freePort } from "./ports.ts";
import { startRedis } from "./redis.ts";
import { createTemporaryFolder, removeFolder, type ServerProcess } from "./server-process.ts";
import { startPan, type TestServer, testServerAt } from "./test-server.ts";

/** The servers that all tests share. The test workers read them from an environment variable. */
export interface SharedServers {
  memory: TestServer;
  redis: TestServer;
  /** A second process on the same Redis, for the same origins. */
  second: TestServer;
}

const VARIABLE = "PAN_TEST_SERVERS";

export function sharedServers(): SharedServers {
  return JSON.parse(process.env[VARIABLE] ?? "null") as SharedServers;
}

/** Starts one server with a memory store and two on one Redis. Returns the function that stops them. */
export default async function globalSetup(): Promise<() => Promise<void>> {
  const folder = await createTemporaryFolder();
  const started: ServerProcess[] = [];
  const stop = async () => {
    for (const running of started.reverse()) await running.stop();
    await removeFolder(folder);
  };
  try {
    const redis = await freePort();
    started.push(await startRedis(folder, redis));
    const memory = testServerAt(await freePort());
    started.push(await startPan({ server: memory, folder }));
    const first = testServerAt(await freePort());
    started.push(await startPan({ server: first, folder, redis }));
    const second = { ...first, port: await freePort() };
    started.push(await startPan({ server: second, folder, redis }));
    process.env[VARIABLE] = JSON.stringify({ memory, redis: first, second } satisfies SharedServers);
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}
