// Which size to fetch: by what the connection carries, what is buffered and how large the picture is shown. Pure functions.

const SHARES = [
  [8, 0.95],
  [3, 0.8],
  [1.5, 0.5],
  [0, 0.15],
]; // from so many seconds buffered on, so much of the throughput is what a size may take
const CREDIT = 0.8; // of what a size takes is counted while it is the one that is fetched
const AT_ONCE = 0.12; // seconds that the picture after a jump may take to come in a size above the lowest

/** The largest size of use where `pixels` (device pixels across) are shown: the smallest that covers them, else the largest. */
export function largestOfUse(widths, pixels) {
  const covering = widths.findIndex((width) => width >= pixels);
  return covering < 0 ? widths.length - 1 : covering;
}

/**
 * The largest size up to `top` that the connection carries; `rates` are bits a second at the speed of play, smallest
 * first. Sizes up to `last`, the one fetched before, are given some credit, so that it does not go to and fro.
 */
export function carried(rates, top, estimate, buffered, last = -1) {
  if (estimate === null) return 0;
  const budget = estimate * (SHARES.find(([from]) => buffered >= from)?.[1] ?? 0);
  let chosen = 0;
  for (let size = 1; size <= top; size += 1) if (rates[size] * (size <= last ? CREDIT : 1) <= budget) chosen = size;
  return chosen;
}

/** The size for the picture after a jump: the largest up to `top` that is there at once; `bytes` of each. */
export function quickest(bytes, top, estimate) {
  if (estimate === null) return 0;
  let chosen = 0;
  for (let size = 1; size <= top; size += 1) if ((8 * bytes[size]) / estimate <= AT_ONCE) chosen = size;
  return chosen;
}

/** Whether `left` bytes at `rate` bits a second come too late where `buffered` seconds are there to be played. */
export function tooLate(left, rate, buffered) {
  return (8 * left) / Math.max(rate, 1) > Math.max(0.3, buffered * 0.6);
}
