import { freePort, type House, houseAt, removeFolder, type Server, startPan, startRedis, workFolder } from "./servers.ts";

/** What the workers are told of the servers, in one environment variable. */
export interface Houses {
  memory: House;
  redis: House;
  /** A second process on the same Redis, for the same origins. */
  second: House;
}

const VARIABLE = "PAN_TEST_HOUSES";

export function houses(): Houses {
  return JSON.parse(process.env[VARIABLE] ?? "null") as Houses;
}

/** Starts a server with a memory store, and two with one real Redis. Ends them when the tests are over. */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await workFolder();
  const started: Server[] = [];
  const end = async () => {
    for (const server of started.reverse()) await server.stop();
    await removeFolder(folder);
  };
  try {
    const redis = await freePort();
    started.push(await startRedis(folder, redis));
    const memory = houseAt(await freePort());
    started.push(await startPan({ house: memory, folder }));
    const first = houseAt(await freePort());
    started.push(await startPan({ house: first, folder, redis }));
    const second = { ...first, port: await freePort() };
    started.push(await startPan({ house: second, folder, redis }));
    process.env[VARIABLE] = JSON.stringify({ memory, redis: first, second } satisfies Houses);
    return end;
  } catch (error) {
    await end();
    throw error;
  }
}
