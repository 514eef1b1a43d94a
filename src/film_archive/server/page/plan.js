// What the engine fetches next. Pure functions of what is there, what is shown and what the connection carries.
//
// A state has: `starts` (seconds at which fragments begin, and the end), `held` (fragment → its size, -1 where it isn't
// there), `bytes` ((size, fragment) → bytes), `came` ((size, fragment) → whether these came with the file's head), `now`
// (the fragment that is shown or waited for), `time` (seconds), `playing`, `speed` (negative: backwards by steps), `top`
// (the largest size of use), `forced` (a size that was asked for, or null), `estimate` (bits a second, or null) and
// `stalled`.

import { carried, quickest, tooLate } from "./choice.js";

const AHEAD = 20; // seconds that are fetched before they are played
const AROUND = 4; // and around a picture that stands
const SAFE = 3; // seconds buffered from which on what is there in a smaller size is fetched again
const LEAD = 0.8; // seconds after the playhead that are left as they are
const RUN = 2; // seconds that are fetched with one request, at most

/** {first, count, size}: fragments to fetch with one request; null where nothing is wanted. */
export function nextFetch(state) {
  if (state.held(state.now) < 0) return { first: state.now, count: 1, size: sizeAtOnce(state, state.now) };
  if (!state.playing) return around(state);
  return state.speed < 0 ? behind(state) : ahead(state);
}

/**
 * Whether to break off what is being fetched, because a smaller size is needed sooner: {size, left, got, seconds}, with
 * the bytes of the fragment under way that are still to come, all bytes that came, and for how long they did.
 */
export function givesUp(state, { size, left, got, seconds }) {
  if (size === 0 || state.forced !== null || left === null || seconds < 0.3) return false;
  const rate = Math.min((8 * got) / seconds, state.estimate ?? Infinity);
  if (state.held(state.now) < 0) return tooLate(left, rate, 0);
  return state.playing && state.speed > 0 && tooLate(left, rate, secondsAhead(state).seconds);
}

/** Seconds from the playhead to where something is missing, as they pass at the speed of play. */
export function secondsAhead(state) {
  const end = firstMissing(state);
  return { end, seconds: (state.starts[end] - state.time) / Math.max(1, state.speed) };
}

const count = (state) => state.starts.length - 1;

function firstMissing(state) {
  let end = state.now;
  while (end < count(state) && state.held(end) >= 0) end += 1;
  return end;
}

function lacks(state, fragment, size) {
  const held = state.held(fragment);
  return held >= 0 && (state.forced === null ? held < size : held !== size);
}

const sizes = (state) => Array.from({ length: state.top + 1 }, (_, size) => size);

function sizeAtOnce(state, fragment) {
  if (state.forced !== null) return state.forced;
  if (state.came(0, fragment)) return 0;
  if (state.playing && state.stalled) return 0;
  return quickest(
    sizes(state).map((size) => state.bytes(size, fragment)),
    state.top,
    state.estimate,
  );
}

/** The size that the connection carries, by what the next seconds take in each. */
function sizeCarried(state, from, buffered, last = -1) {
  if (state.forced !== null) return state.forced;
  const to = Math.min(count(state), from + 8);
  const seconds = (state.starts[to] - state.starts[from]) / Math.max(1, Math.abs(state.speed));
  const rates = sizes(state).map((size) => {
    let bytes = 0;
    for (let fragment = from; fragment < to; fragment += 1) bytes += state.bytes(size, fragment);
    return (8 * bytes) / seconds;
  });
  return carried(rates, state.top, state.estimate, buffered, last);
}

/** How many fragments to ask for at once: a run that is `wanted`, shorter while little is buffered. */
function run(state, first, buffered, wanted) {
  const most = Math.max(0.6, Math.min(RUN, buffered / 3));
  let end = first + 1;
  while (end < count(state) && wanted(end) && state.starts[end + 1] - state.starts[first] <= most) end += 1;
  return end - first;
}

function ahead(state) {
  const { end, seconds } = secondsAhead(state);
  const whole = end === count(state);
  const size = sizeCarried(state, Math.min(end, count(state) - 1), seconds, state.held(end - 1));
  if (seconds >= SAFE || whole) {
    const found = better(state, end, size);
    if (found) return found;
  }
  if (whole || seconds > AHEAD) return null;
  return { first: end, count: run(state, end, seconds, (fragment) => state.held(fragment) < 0), size };
}

/** Of what is buffered up to `end`, the first part that can come in a better size before it is played. */
function better(state, end, size) {
  for (let first = state.now + 1; first < end; first += 1) {
    if (!lacks(state, first, size)) continue;
    const left = (state.starts[first] - state.time) / Math.max(1, state.speed);
    const takes = (8 * state.bytes(size, first)) / (state.estimate ?? 1);
    if (left < LEAD + 1.5 * takes) continue;
    return { first, count: run(state, first, left, (fragment) => fragment < end && lacks(state, fragment, size)), size };
  }
  return null;
}

/** Backwards each picture is a jump: the fragments before this one, as they are quickest. */
function behind(state) {
  for (let first = state.now - 1; first >= 0 && state.starts[state.now] - state.starts[first] <= AROUND; first -= 1) {
    if (state.held(first) < 0) return { first, count: 1, size: sizeCarried(state, first, AROUND) };
  }
  return null;
}

/** While a picture stands: what a step needs, then the picture in its best, then more around it. */
function around(state) {
  const near = [];
  for (let distance = 1; distance < count(state); distance += 1) {
    const reach = [state.now + distance, state.now - distance].filter(
      (place) => place >= 0 && place < count(state) && Math.abs(state.starts[place] - state.starts[state.now]) <= AROUND,
    );
    if (!reach.length) break;
    near.push(...reach);
  }
  const missing = near.find((place) => state.held(place) < 0);
  if (missing !== undefined && Math.abs(missing - state.now) === 1)
    return { first: missing, count: 1, size: sizeAtOnce(state, missing) };
  if (lacks(state, state.now, state.top)) return { first: state.now, count: 1, size: state.top };
  if (missing !== undefined) return { first: missing, count: 1, size: sizeCarried(state, missing, AROUND) };
  const poor = near.find((place) => place > state.now && lacks(state, place, sizeCarried(state, place, AROUND)));
  return poor === undefined ? null : { first: poor, count: 1, size: sizeCarried(state, poor, AROUND) };
}
