// One clip on the screen: the picture, its time line, transport, marks, and what is said of it.

import { element, find, sign } from "./dom.js";
import { take } from "./early.js";
import { factsOf, proxyText } from "./facts.js";
import { tell } from "./messages.js";
import { loadingName, place } from "./screen.js";
import { Strip } from "./strip.js";
import { Timeline } from "./timeline.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 1.5, 2, 4, 8];
const FASTEST = 8; // that J and L come to
const GLANCE = 250; // ms between two looks at what is there

export class Viewer extends EventTarget {
  #player;
  #marks;
  #selects;
  #stills;
  #timeline;
  #speed = 1; // that play takes up
  #repeats = false;
  #loaded = 0;
  clip = null;

  constructor(player, marks, selects, stills) {
    super();
    this.#player = player;
    this.#marks = marks;
    this.#selects = selects;
    this.#stills = stills;
    this.#timeline = new Timeline(find("timeline"));
    this.#timeline.lanes = () => this.#lanes();
    this.#timeline.addEventListener("scrub", ({ frame }) => player.seek(frame, { resume: false }));
    player.addEventListener("frame", () => this.#showFrame());
    player.addEventListener("settled", () => this.#showFrame());
    player.addEventListener("state", () => this.#showState());
    player.addEventListener("trouble", ({ error, lasting }) => lasting && tell(error.message));
    marks.addEventListener("change", () => this.#showMarks());
    selects.addEventListener("change", () => this.#timeline.draw());
    setInterval(() => this.clip && this.#glance(), GLANCE);
    this.#wire();
  }

  #wire() {
    const video = find("video");
    const actions = {
      first: "first",
      "back-second": ["stepSecond", -1],
      back: ["step", -1],
      reverse: ["shuttle", -1],
      play: "toggle",
      on: ["step", 1],
      "on-second": ["stepSecond", 1],
      last: "last",
      "mark-in": "markIn",
      "mark-out": "markOut",
      "clear-marks": "clearMarks",
      "add-select": "addSelect",
      repeat: "repeat",
      mute: "mute",
      "full-screen": "fullScreen",
    };
    for (const [id, action] of Object.entries(actions)) {
      const [name, argument] = [action].flat();
      find(id).addEventListener("click", () => this[name](argument));
    }
    video.addEventListener("click", () => this.toggle());
    video.addEventListener("volumechange", () => find("mute").setAttribute("aria-pressed", String(video.muted)));
    find("speed").replaceChildren(
      ...SPEEDS.map((speed) => element("option", { value: speed, textContent: `${speed}×`, selected: speed === 1 })),
    );
    find("speed").addEventListener("change", () => this.#setSpeed(Number(find("speed").value)));
    find("quality").addEventListener("change", () => {
      const { value } = find("quality");
      this.#player.source.forced = value === "auto" ? null : Number(value);
    });
    find("timecode").addEventListener("click", () => this.jump());
    find("jump-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#jumped();
    });
    find("jump-to").addEventListener("blur", () => this.#endJump());
    find("jump-to").addEventListener("keydown", (event) => event.key === "Escape" && this.#endJump());
  }

  /** Show a clip from a frame on. */
  async open(clip, { frame = 0, marks = null } = {}) {
    const mine = ++this.#loaded;
    const begun = mine === 1 ? take(loadingName(clip.archive, clip.path)) : null;
    if (begun === null) this.close();
    this.clip = clip;
    place(clip);
    const facts = factsOf(clip.member).map(([name, value]) =>
      element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value })),
    );
    find("facts").replaceChildren(...facts);
    find("original").hidden = !clip.member.url;
    if (clip.member.url) find("original").href = clip.member.url;
    const automatic = element("option", { value: "auto", textContent: "Automatic" });
    find("quality").replaceChildren(
      automatic,
      ...clip.proxies.map((proxy, place) => element("option", { value: place, textContent: proxyText(proxy) })),
    );
    find("quality").disabled = clip.proxies.length < 2;
    find("screen-note").textContent = this.#whyNot(clip);
    this.#timeline.show(clip, new Strip(clip, this.#stills, null));
    this.#marks.set(marks?.first ?? null, marks?.end ?? null);
    this.#showFrame();
    this.#showState();
    if (!clip.playable) return;
    try {
      const at = await begun?.catch(() => null); // what failed is tried again, now that somebody can be told
      if (at !== frame) await this.#player.load(clip, frame);
      await this.#player.settled();
    } catch (error) {
      if (mine === this.#loaded) find("screen-note").textContent = error.message;
      return;
    }
    if (mine === this.#loaded) this.#showFrame();
  }

  /** The clip on the screen has a strip in its archive: the address of its WebVTT, or null. */
  async strip(url) {
    const clip = this.clip;
    if (!url || !clip) return;
    const strip = new Strip(clip, this.#stills, url);
    await strip.loaded;
    if (this.clip === clip) this.#timeline.strip = strip;
  }

  close() {
    this.#player.unload();
    this.clip = null;
    this.#timeline.show(null, null);
  }

  #whyNot(clip) {
    if (!clip.media) return "This is no clip that could be read.";
    if (!clip.proxies.length) return "There is no proxy of this clip to show; “film-archive proxy ARCHIVE” makes them.";
    return clip.rate ? "" : "The clip does not say how many frames a second it has.";
  }

  // Actions

  toggle() {
    if (this.#player.speed) this.#player.pause();
    else this.#player.play(this.#speed);
  }

  pause() {
    this.#player.pause();
  }

  /** J and L: forwards or backwards, and twice as fast each time. */
  shuttle(direction) {
    const now = this.#player.speed;
    const faster = Math.sign(now) === direction ? Math.min(FASTEST, Math.max(1, Math.abs(now) * 2)) : 1;
    this.#player.play(direction * faster);
  }

  faster(by) {
    const place = SPEEDS.indexOf(this.#speed) + by;
    if (SPEEDS[place]) this.#setSpeed(SPEEDS[place]);
  }

  #setSpeed(speed) {
    this.#speed = speed;
    find("speed").value = speed;
    if (this.#player.speed > 0) this.#player.play(speed);
  }

  step(count) {
    this.#player.step(count);
  }

  stepSecond(count) {
    this.#player.step(count * (this.clip?.rate?.nominal ?? 1));
  }

  first() {
    this.#player.seek(0);
  }

  last() {
    this.#player.seek(this.#player.frames - 1);
  }

  markIn() {
    if (this.#player.frames) this.#marks.markIn(this.#player.aim);
  }

  markOut() {
    if (this.#player.frames) this.#marks.markOut(this.#player.aim);
  }

  clearMarks() {
    this.#marks.clear();
  }

  toIn() {
    this.#player.seek(this.#marks.first ?? 0);
  }

  toOut() {
    this.#player.seek((this.#marks.end ?? this.#player.frames) - 1);
  }

  addSelect() {
    const range = this.clip && this.#marks.range(this.#player.frames);
    if (!range) tell("Mark an in point (I) or an out point (O) first.");
    else {
      this.#selects.add(this.clip, range);
      this.dispatchEvent(new Event("selected"));
    }
  }

  repeat() {
    this.#repeats = !this.#repeats;
    find("repeat").setAttribute("aria-pressed", String(this.#repeats));
    this.#showMarks();
  }

  mute() {
    find("video").muted = !find("video").muted;
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else
      find("stage")
        .requestFullscreen?.()
        .catch((error) => tell(error.message));
  }

  /** Let somebody type where to go; `begun` is what was typed already. */
  jump(begun = "") {
    if (!this.clip?.playable) return;
    find("timecode").hidden = true;
    find("jump-form").hidden = false;
    find("jump-to").value = begun;
    find("jump-to").placeholder = this.clip.label(this.#player.frame);
    find("jump-to").focus();
  }

  #jumped() {
    const text = find("jump-to").value;
    const { frames } = this.#player;
    const frame = text.trim() ? this.clip.frameMeant(text, this.#player.aim) : this.#player.aim;
    this.#endJump();
    if (frame === null) tell(`“${text}” is no timecode at this rate.`);
    else if (frame < 0 || frame >= frames)
      tell(
        `${text.trim()} is not in this clip, which runs from ${this.clip.label(0)} to ${this.clip.label(frames - 1)}.`,
      );
    else this.#player.seek(frame);
  }

  /** A hidden field keeps the keyboard until the next picture is drawn: a key pressed right after Enter would be lost. */
  #endJump() {
    find("jump-to").blur();
    find("jump-form").hidden = true;
    find("timecode").hidden = false;
  }

  /** Draw anew what is drawn in the page's colours. */
  refresh() {
    this.#timeline.draw();
  }

  // What is shown

  #showFrame() {
    const shown = this.clip !== null && this.#player.frames > 0; // the player may be at work on it before it is opened here
    const { frame } = this.#player;
    find("timecode").textContent = shown ? (this.clip.timecode(frame) ?? `frame ${frame}`) : "--:--:--:--";
    find("frame").textContent = shown ? `${this.#player.exact ? "" : "about "}frame ${frame} of ${this.#player.frames}` : "";
    this.#timeline.frame = frame;
    this.#showProxy();
  }

  #showProxy() {
    const { proxy } = this.#player;
    find("shown").textContent = proxy ? `Proxy: ${proxyText(proxy)}` : "";
    find("shown").hidden = !proxy;
  }

  #showState() {
    const { speed, waiting } = this.#player;
    const playing = speed !== 0;
    find("play").classList.toggle("playing", playing);
    find("play").setAttribute("aria-label", playing ? "Pause" : "Play");
    find("reverse").setAttribute("aria-pressed", String(speed < 0));
    find("moving").textContent = Math.abs(speed) === 0 || speed === 1 ? "" : `${speed < 0 ? "◀" : "▶"} ${Math.abs(speed)}×`;
    find("screen").classList.toggle("waiting", waiting);
  }

  #showMarks() {
    const range = this.clip && this.#marks.range(this.#player.frames || this.clip.frames);
    find("marks").textContent = range
      ? `${this.clip.label(range.first)} – ${this.clip.label(range.end - 1)} · ${range.end - range.first} f`
      : "";
    find("clear-marks").disabled = !range;
    this.#player.range = this.#repeats ? (range ?? { first: 0, end: this.#player.frames }) : null;
    this.#timeline.draw();
  }

  #lanes() {
    const { source } = this.#player;
    const { index } = source;
    const selects = this.#selects.list.filter((one) => one.archive === this.clip?.archive && one.path === this.clip?.path);
    const marks = this.clip && this.#marks.range(this.#player.frames || this.clip.frames);
    return { stretches: source.stretches(), seconds: index?.end ?? 1, marks, selects };
  }

  #glance() {
    this.#timeline.draw();
    const { source, waiting } = this.#player;
    find("screen").classList.toggle("waiting", waiting);
    const rate = source.estimate;
    find("connection").textContent = rate ? (rate > 1e9 ? "> 1 Gb/s" : `${(rate / 1e6).toFixed(rate < 1e7 ? 1 : 0)} Mb/s`) : "";
  }
}
