// The picture: which frame is shown, how to get to another one exactly, and play at any speed, forwards and backwards.
//
// What is shown is known from requestVideoFrameCallback alone: its mediaTime is the time of the frame that was put on the
// screen, while currentTime is only where the clock stands. A seek goes to the middle of a frame's time, looks at what was
// presented, and corrects.

import { FormatError } from "./boxes.js";
import { Engine } from "./engine.js";
import { PlainSource } from "./plain_source.js";

const PLACES = [0.5, 0.25, 0.75]; // of a frame's time, tried in turn
const PATIENCE = 400; // ms to wait for a frame to be presented; a hidden page presents none
const FASTEST = 16; // that browsers play

export class Player extends EventTarget {
  #video;
  #engine;
  #plain;
  #source; // one of the two
  #clip = null;
  #frame = 0;
  #picture = null; // {width, height} of what is on the screen
  #presented = 0; // frames presented so far
  #wanted = null; // {frame, again, resume} that a seek is under way to
  #settling = false;
  #interrupt = () => {};
  #backwards = 0; // times normal; 0: not backwards
  #loading = 0;

  constructor(video, throughput) {
    super();
    this.#video = video;
    this.#engine = new Engine(video, throughput);
    this.#plain = new PlainSource(video);
    this.#source = this.#engine;
    this.range = null; // {first, end} to repeat
    this.#engine.addEventListener("fragment", (event) => this.#sharpen(event));
    this.#engine.addEventListener("trouble", (event) => {
      this.dispatchEvent(Object.assign(new Event("trouble"), { error: event.error, lasting: event.lasting }));
    });
    const presented = (_, { mediaTime, width, height }) => {
      this.#presented += 1;
      this.#picture = { width, height };
      this.#show(mediaTime, true);
      video.requestVideoFrameCallback(presented);
    };
    if (this.exact) video.requestVideoFrameCallback(presented);
    else video.addEventListener("timeupdate", () => this.#show(video.currentTime, false));
    for (const name of ["play", "pause", "waiting", "playing", "ratechange"])
      video.addEventListener(name, () => this.#tell("state"));
    video.addEventListener("ended", () => this.#atEnd());
  }

  /** Whether the browser tells which frame is on the screen. */
  get exact() {
    return "requestVideoFrameCallback" in HTMLVideoElement.prototype;
  }

  /** The number of the frame on the screen, from 0. */
  get frame() {
    return this.#frame;
  }

  /** The frame that is gone to, else the one on the screen. */
  get aim() {
    return this.#wanted?.frame ?? this.#frame;
  }

  get frames() {
    return this.#source.index?.frameCount ?? 0;
  }

  /** Times normal, negative backwards, 0 where the picture stands. */
  get speed() {
    if (this.#backwards) return -this.#backwards;
    return this.#video.paused || this.#video.ended ? 0 : this.#video.playbackRate;
  }

  /** Whether play waits for bytes. */
  get waiting() {
    return !this.#video.paused && this.#video.readyState < 3;
  }

  /** The proxy whose picture is on the screen, null where there is none. */
  get proxy() {
    const shown = this.#picture;
    const match = (proxy) => proxy.width === shown?.width && proxy.height === shown?.height;
    return this.#source.proxies.find(match) ?? null;
  }

  /** What fills the video: forced size, stretches that are there, stalls. */
  get source() {
    return this.#source;
  }

  /** Show a clip, from frame `at` on. */
  async load(clip, at = 0) {
    const mine = ++this.#loading;
    this.unload();
    this.#clip = clip;
    try {
      if (!Engine.supported) throw new FormatError("The browser has no Media Source Extensions.");
      this.#source = this.#engine;
      await this.#engine.open(clip.proxies, clip.vfr ? null : clip.rate, at, () => clip.describe());
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      if (mine !== this.#loading) return;
      this.#source = this.#plain;
      await this.#plain.open(clip.proxies, clip.rate);
    }
    if (mine === this.#loading) this.seek(at);
  }

  unload() {
    this.#stopBackwards();
    this.#video.pause();
    this.#wanted = null;
    this.#clip = null;
    this.#picture = null;
    this.#frame = 0;
    this.#engine.close();
    this.#plain.close();
    this.#interrupt();
  }

  toggle() {
    if (this.speed) this.pause();
    else this.play();
  }

  /** Play at a speed: negative backwards. */
  play(speed = 1) {
    if (!this.frames) return;
    if (speed < 0) {
      this.#playBackwards(-speed);
      return;
    }
    this.#stopBackwards();
    this.#video.playbackRate = Math.min(speed, FASTEST);
    const first = this.range?.first ?? 0;
    const end = this.range?.end ?? this.frames;
    if (this.aim >= end - 1 || (this.range && this.aim < first)) this.seek(first, { resume: true });
    else if (this.#wanted) this.#wanted.resume = true;
    else this.#start();
  }

  pause() {
    this.#stopBackwards();
    if (this.#wanted) this.#wanted.resume = false;
    this.#video.pause();
    this.#source.want(this.#frame);
  }

  /** Some frames on or back from where the last step went; pauses. */
  step(count) {
    this.seek(this.aim + count);
  }

  /** Show this frame, or the nearest there is; pauses, but to `resume`. Of several in a row the last one counts. */
  seek(number, { resume = false, again = false } = {}) {
    if (!this.frames) return;
    this.#stopBackwards();
    this.#goTo(number, resume, again);
  }

  /** Resolves when no seek is under way. */
  async settled() {
    while (this.#wanted || this.#settling)
      await new Promise((resolve) => this.addEventListener("settled", resolve, { once: true }));
  }

  #goTo(number, resume, again) {
    this.#video.pause();
    const frame = Math.min(Math.max(0, number), this.frames - 1);
    this.#wanted = { frame, resume, again };
    this.#source.want(frame);
    this.#interrupt();
    if (!this.#settling) this.#settle();
  }

  async #settle() {
    this.#settling = true;
    while (this.#wanted) {
      const wanted = this.#wanted;
      for (const place of PLACES) {
        const there = this.#presented > 0 && this.#frame === wanted.frame && !wanted.again && !this.#video.seeking;
        if (there && this.exact) break;
        wanted.again = false;
        await this.#present(wanted, place);
        if (this.#wanted !== wanted || !this.exact) break;
      }
      if (this.#wanted === wanted) {
        this.#wanted = null;
        if (wanted.resume) this.#start();
      }
    }
    this.#settling = false;
    this.#tell("settled");
  }

  /** Seek, and wait until the frame of that time is on the screen, or something else is wanted. */
  async #present(wanted, place) {
    const changed = new Promise((resolve) => (this.#interrupt = resolve));
    await Promise.race([this.#source.ready(wanted.frame), changed]);
    const span = this.#source.index?.spanOf(wanted.frame);
    if (this.#wanted !== wanted || !span) return;
    const before = this.#presented;
    this.#video.currentTime = span[0] + (span[1] - span[0]) * place;
    await Promise.race([once(this.#video, "seeked", "error", "emptied"), changed]);
    const deadline = performance.now() + PATIENCE;
    while (this.exact && this.#presented === before && this.#wanted === wanted && performance.now() < deadline) await tick();
    if (!this.exact) this.#show(this.#video.currentTime, false);
  }

  #start() {
    this.#video.play().catch((error) => {
      if (error.name === "AbortError") return; // paused before it began
      this.dispatchEvent(Object.assign(new Event("trouble"), { error, lasting: true }));
    });
  }

  #show(seconds, begins) {
    if (!this.#clip || !this.#source.index) return;
    this.#frame = this.#source.index.frameAt(seconds, begins);
    if (!this.#wanted && this.speed > 0 && this.range && this.#frame >= this.range.end - 1) this.#repeat();
    this.#tell("frame");
  }

  /** The last frame of the range is on the screen: stay for as long as it lasts, and begin again. */
  #repeat() {
    const [begin, end] = this.#source.index.spanOf(this.#frame) ?? [0, 0];
    const late = this.#frame >= this.range.end;
    const { range } = this;
    this.#video.pause();
    this.#wanted = { frame: range.first, resume: true, again: false };
    this.#source.want(range.first);
    setTimeout(
      () => {
        if (this.#wanted?.frame === range.first && !this.#settling) this.#settle();
      },
      late ? 0 : (1000 * (end - begin)) / this.#video.playbackRate,
    );
  }

  #atEnd() {
    if (this.range) this.seek(this.range.first, { resume: true });
    this.#tell("state");
  }

  async #playBackwards(speed) {
    this.#stopBackwards();
    this.#video.pause();
    this.#backwards = speed;
    this.#source.direction = -1;
    this.#tell("state");
    const rate = this.#clip.rate.numerator / this.#clip.rate.denominator;
    const [from, begun, mine] = [this.aim, performance.now(), {}];
    this.#run = mine;
    while (this.#run === mine && this.#frame > 0) {
      const frame = Math.max(0, from - Math.floor(((performance.now() - begun) / 1000) * rate * speed));
      if (frame < this.#frame && !this.#wanted) this.#goTo(frame, false, false);
      await tick();
    }
    if (this.#run === mine) this.#stopBackwards();
  }

  #run = null;

  #stopBackwards() {
    if (!this.#backwards) return;
    this.#backwards = 0;
    this.#run = null;
    this.#source.direction = 1;
    this.#tell("state");
  }

  /** A better picture of the frame that stands has come: show it. */
  #sharpen({ fragment, size }) {
    const { index, proxies } = this.#engine;
    const stands = this.#video.paused && !this.#wanted && !this.#settling && this.#source === this.#engine && index;
    if (!stands || index.ofFrame(this.#frame) !== fragment || this.#picture?.width === proxies[size].width) return;
    this.#goTo(this.#frame, false, true);
  }

  #tell(name) {
    this.dispatchEvent(new Event(name));
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
    setTimeout(resolve, 8);
  });
}
