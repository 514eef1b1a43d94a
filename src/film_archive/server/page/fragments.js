// A proxy's fragments: where each lies in the file, when it is shown, which frames it has; and the way between frame numbers and
// seconds. All sizes of a clip have their fragments at the same times.

import { FormatError, pictureTimes, pictureTrack, readHead } from "./boxes.js";

const TABLES = 2048; // bytes of ftyp, moov and sidx without its entries, about
const ENTRY = 12; // bytes of sidx for each fragment
const LONGEST = 4 << 20; // bytes of a head: sidx has no more than 65,535 entries
const GROUP = 12; // frames of a fragment in proxies of ours

export class FragmentIndex {
  #known = new Map(); // fragment → its pictures' times in ticks, where frames last differently
  #track;

  /**
   * Fragment n has bytes `offsets[n]` to before `offsets[n + 1]`, is shown from `times[n]` ticks of 1/`timescale` s on,
   * and begins with frame `frames[n]`; all three have one entry more than there are fragments. `rate` is null where
   * frames last differently.
   */
  constructor({ codecs, init, offsets, times, frames, timescale, rate, track }) {
    Object.assign(this, { codecs, init, offsets, times, frames, timescale, rate });
    this.#track = track;
  }

  get count() {
    return this.offsets.length - 1;
  }

  get frameCount() {
    return this.frames.at(-1);
  }

  /** Seconds from the file's zero, which need not be the first frame's time. */
  start(fragment) {
    return this.times[fragment] / this.timescale;
  }

  get end() {
    return this.times.at(-1) / this.timescale;
  }

  bytes(fragment, count = 1) {
    return this.offsets[fragment + count] - this.offsets[fragment];
  }

  ofFrame(frame) {
    return place(this.frames, frame, this.count);
  }

  ofTime(seconds) {
    return place(this.times, seconds * this.timescale + 0.5, this.count);
  }

  /** [begin, end] of a frame in seconds; null while that is not known (its fragment has not been seen yet). */
  spanOf(frame) {
    if (this.rate) {
      const at = (number) => this.start(0) + (number * this.rate.denominator) / this.rate.numerator;
      return [at(frame), at(frame + 1)];
    }
    const fragment = this.ofFrame(frame);
    const times = this.#known.get(fragment);
    const place = frame - this.frames[fragment];
    return times ? [times[place] / this.timescale, times[place + 1] / this.timescale] : null;
  }

  /** The frame that begins at a time (with a tick's rounding), or that is shown then. */
  frameAt(seconds, begins = true) {
    if (this.rate) {
      const exactly = ((seconds - this.start(0)) * this.rate.numerator) / this.rate.denominator;
      return this.#clamped(begins ? Math.round(exactly) : Math.floor(exactly + 1e-6));
    }
    const fragment = this.ofTime(seconds);
    const times = this.#known.get(fragment);
    if (!times) return this.frames[fragment];
    return this.#clamped(this.frames[fragment] + place(times, seconds * this.timescale + 0.5, times.length - 1));
  }

  #clamped(frame) {
    return Math.min(Math.max(0, frame), this.frameCount - 1);
  }

  /** Take note of a fragment's bytes, which alone say when frames are shown that last differently. */
  learn(fragment, bytes) {
    if (!this.rate && this.#track && !this.#known.has(fragment)) this.#known.set(fragment, pictureTimes(bytes, this.#track));
  }

  /** Whether another size can take the place of this one anywhere. */
  goesWith(other) {
    const scale = other.timescale / this.timescale;
    return other.count === this.count && this.times.every((time, place) => Math.abs(time * scale - other.times[place]) <= 1);
  }
}

/** The last place whose value is not larger; `values` rises, the last one is the end. */
function place(values, value, count) {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values[middle] <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** How many bytes of a proxy to read first: its tables and, most often, the first fragment. */
export function headBytes(proxy, rate) {
  const seconds = rate ? (GROUP * rate.denominator) / rate.numerator : 1;
  return Math.ceil(TABLES + (ENTRY * proxy.frames) / GROUP + (1.3 * seconds * proxy.bit_rate) / 8);
}

/**
 * The index that stands in a file's first bytes: a FragmentIndex, or {need} bytes where there are too few. `rate` is
 * null where frames last differently; then, and where the file does not agree with it, FormatError: the server knows
 * more (`indexOfDocument`).
 */
export function indexOfHead(bytes, rate, frames) {
  const head = readHead(bytes);
  if (head.need > LONGEST) throw new FormatError("The file does not begin with its tables.");
  if (head.need) return head;
  const { timescale, offsets, times } = head.sidx;
  if (!rate) throw new FormatError("How long each frame is shown is not in the index of fragments.");
  const numbers = times.map((time) => Math.round(((time - times[0]) * rate.numerator) / (timescale * rate.denominator)));
  if (numbers.at(-1) !== frames) throw new FormatError(`The index of fragments has ${numbers.at(-1)} frames, not ${frames}.`);
  return new FragmentIndex({ ...head, offsets, times, timescale, frames: numbers, rate });
}

/** The index as the server's /fragments document has it; `head`, the file's first `init` bytes, tells of the track. */
export function indexOfDocument(document, rate, head) {
  const [numerator, denominator] = document.timescale.split("/").map(Number);
  const same = { ...document, timescale: numerator / denominator, rate: document.vfr ? null : rate };
  return new FragmentIndex({ ...same, track: pictureTrack(head) }); // which also says that the head is one
}
