// The picture: which frame is shown, and how to get to another one exactly.
//
// What is shown is known from requestVideoFrameCallback alone: its mediaTime is the time of the frame that was put on the
// screen, while currentTime is only where the clock stands. A seek goes to the middle of a frame's time, looks at what was
// presented, and corrects.

const PLACES = [0.5, 0.25, 0.75]; // of a frame's time, tried in turn
const PATIENCE = 400; // ms to wait for a frame to be presented; a hidden page presents none

export class Player extends EventTarget {
  #video;
  #rate = null;
  #frames = 0;
  #frame = 0;
  #wanted = null;
  #busy = false;
  #presented = 0; // frames presented so far

  constructor(video) {
    super();
    this.#video = video;
    if (this.exact) {
      const presented = (_, { mediaTime }) => {
        this.#presented += 1;
        this.#show(mediaTime);
        video.requestVideoFrameCallback(presented);
      };
      video.requestVideoFrameCallback(presented);
    } else {
      video.addEventListener("timeupdate", () => this.#show(video.currentTime));
    }
    for (const name of ["play", "pause", "ended"]) {
      video.addEventListener(name, () => this.dispatchEvent(new Event("state")));
    }
  }

  /** Whether the browser tells which frame is on the screen. */
  get exact() {
    return "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  }

  /** The number of the frame on the screen, from 0. */
  get frame() {
    return this.#frame;
  }

  get frames() {
    return this.#frames;
  }

  get playing() {
    return !this.#video.paused && !this.#video.ended;
  }

  /** Show a clip; `rate` as parseRate gives it, `at` the frame to begin with. */
  async load(url, rate, frames, at = 0) {
    this.#video.pause();
    this.#rate = rate;
    this.#frames = frames;
    this.#wanted = null;
    this.#frame = 0;
    this.#video.src = url;
    await once(this.#video, "loadeddata", "error");
    if (this.#video.error) throw new Error(this.#video.error.message || "The proxy can't be played.");
    if (at > 0) this.seek(at);
  }

  unload() {
    this.#wanted = null;
    this.#frames = 0;
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  toggle() {
    if (this.playing) {
      this.pause();
    } else if (this.#frames) {
      this.#wanted = null;
      this.#video.play().catch((error) => {
        if (error.name !== "AbortError") throw error; // paused before it began
      });
    }
  }

  pause() {
    this.#video.pause();
  }

  /** Some frames on or back from where the last step went; pauses. */
  step(count) {
    this.seek((this.#wanted ?? this.#frame) + count);
  }

  /** Show this frame, or the nearest there is; pauses. Of several in a row the last one counts. */
  seek(number) {
    if (!this.#frames) return;
    this.#video.pause();
    this.#wanted = Math.min(Math.max(0, number), this.#frames - 1);
    if (!this.#busy) this.#settle();
  }

  async #settle() {
    this.#busy = true;
    while (this.#wanted !== null) {
      const wanted = this.#wanted;
      for (const place of PLACES) {
        if (this.#frame === wanted && !this.#video.seeking && this.exact) break;
        await this.#present(((wanted + place) * this.#rate.denominator) / this.#rate.numerator);
        if (this.#wanted !== wanted || !this.exact) break;
      }
      if (this.#wanted === wanted) this.#wanted = null;
    }
    this.#busy = false;
    this.dispatchEvent(new Event("settled"));
  }

  /** Seek, and wait until the frame of that time is on the screen. */
  async #present(seconds) {
    const before = this.#presented;
    this.#video.currentTime = seconds;
    await once(this.#video, "seeked", "error", "emptied");
    const deadline = performance.now() + PATIENCE;
    while (this.#presented === before && performance.now() < deadline) await tick();
    await tick(); // a callback may be on its way for a later frame
  }

  #show(mediaTime) {
    if (!this.#rate) return;
    const exactly = (mediaTime * this.#rate.numerator) / this.#rate.denominator;
    // mediaTime is a frame's beginning, rounded to the container's ticks; currentTime lies anywhere within the frame.
    this.#frame = Math.max(0, this.exact ? Math.round(exactly) : Math.floor(exactly + 1e-6));
    this.dispatchEvent(new Event("frame"));
  }
}

function once(target, ...names) {
  return new Promise((resolve) => {
    const done = () => {
      for (const name of names) target.removeEventListener(name, done);
      resolve();
    };
    for (const name of names) target.addEventListener(name, done);
  });
}

function tick() {
  return new Promise((resolve) => {
    setTimeout(resolve, 16);
  });
}
