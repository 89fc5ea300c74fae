// Prints pointer paths that the npm package ghost-cursor makes from a fixed seed, in the file format of `pan proofs`:
//
//   node ghost-paths.mjs 2000
//
// Needs no browser. scripts/proofs.sh runs it; docs/PROOFS.md has the results.
import ghost from "ghost-cursor";

const count = Number(process.argv[2] ?? 2000);
if (!Number.isInteger(count) || count < 1) {
  console.error("usage: node ghost-paths.mjs [COUNT]");
  process.exit(2);
}

// ghost-cursor uses Math.random. A generator with a seed (mulberry32) makes the same paths every time.
let state = 1;
Math.random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

const randomBetween = (least, most) => least + Math.random() * (most - least);
const randomPoint = () => ({ x: randomBetween(20, 1200), y: randomBetween(20, 700) });

for (let number = 1; number <= count; number++) {
  const from = randomPoint();
  let to = randomPoint();
  while (Math.hypot(to.x - from.x, to.y - from.y) <= 100) to = randomPoint();
  const points = ghost.path(from, to, { useTimestamps: true });
  const path = points.map(({ x, y, timestamp }) => [x, y, timestamp - points[0].timestamp]);
  // Each path is in its own session.
  console.log(JSON.stringify({ user: `ghost ${number}`, path, hold_ms: Math.round(randomBetween(40, 120)) }));
}
