// Prints pointer paths as the npm package ghost-cursor makes them, in the file format of `pan proofs`, from a seed:
//
//   node ghost-paths.mjs 2000
//
// It needs no browser. scripts/proofs.sh runs it; docs/PROOFS.md has the result.
import ghost from "ghost-cursor";

const many = Number(process.argv[2] ?? 2000);
if (!Number.isInteger(many) || many < 1) {
  console.error("how many paths? Such as: node ghost-paths.mjs 2000");
  process.exit(2);
}

// ghost-cursor asks Math.random, so a generator with a seed (mulberry32) makes the same paths every time.
let state = 1;
Math.random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), state | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

const between = (least, most) => least + Math.random() * (most - least);
const place = () => ({ x: between(20, 1200), y: between(20, 700) });

for (let number = 1; number <= many; number++) {
  const from = place();
  let to = place();
  while (Math.hypot(to.x - from.x, to.y - from.y) <= 100) to = place();
  const points = ghost.path(from, to, { useTimestamps: true });
  const path = points.map(({ x, y, timestamp }) => [x, y, timestamp - points[0].timestamp]);
  // Each in a session of its own.
  console.log(JSON.stringify({ user: `ghost ${number}`, path, hold_ms: Math.round(between(40, 120)) }));
}
