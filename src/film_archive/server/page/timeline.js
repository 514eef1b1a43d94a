// The time line below the picture: where the clip is, what of it is there, marks and selects, and a picture for where
// the pointer is. It is a slider to assistive programs.

import { element } from "./dom.js";

export class Timeline extends EventTarget {
  #root;
  #canvas;
  #head;
  #hover;
  #picture;
  #label;
  #clip = null;
  #strip = null;
  #frame = 0;
  #hovered = null; // the frame that the pointer is on
  #following = false;
  #drawing = false;

  constructor(root) {
    super();
    this.#root = root;
    this.#canvas = element("canvas", { className: "lanes" });
    this.#head = element("div", { className: "playhead" });
    this.#picture = element("canvas", {});
    this.#label = element("span", {});
    this.#hover = element("div", { className: "hover", hidden: true }, this.#picture, this.#label);
    root.append(this.#canvas, this.#head, this.#hover);
    root.addEventListener("pointerdown", (event) => this.#down(event));
    root.addEventListener("pointermove", (event) => this.#move(event));
    root.addEventListener("pointerleave", () => this.#leave());
    root.addEventListener("pointercancel", () => this.#leave());
    new ResizeObserver(() => this.draw()).observe(root);
    this.lanes = () => ({ stretches: [], seconds: 0, marks: null, selects: [] });
  }

  /** A clip and its strip; null where none is open. */
  show(clip, strip) {
    this.#clip = clip;
    this.#strip = strip;
    this.#frame = 0;
    const frames = clip?.playable ? clip.frames : 0;
    this.#root.setAttribute("aria-disabled", String(!frames));
    this.#root.setAttribute("aria-valuemin", "0");
    this.#root.setAttribute("aria-valuemax", String(Math.max(0, frames - 1)));
    this.#leave();
    this.draw();
  }

  /** Another strip of the same clip: what the pointer is on is drawn anew. */
  set strip(strip) {
    this.#strip = strip;
    if (this.#hovered !== null && !this.#following) this.#follow();
  }

  set frame(frame) {
    this.#frame = frame;
    if (!this.#clip) return;
    this.#root.setAttribute("aria-valuenow", String(frame));
    this.#root.setAttribute("aria-valuetext", this.#clip.label(frame));
    this.#head.style.left = `${(100 * (frame + 0.5)) / Math.max(1, this.#clip.frames)}%`;
  }

  /** Draw the lanes anew; many calls in a row are one. */
  draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#root;
    const scale = devicePixelRatio;
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    const frames = this.#clip?.frames ?? 0;
    if (!frames) return;
    const context = this.#canvas.getContext("2d");
    context.scale(scale, scale);
    const style = getComputedStyle(this.#root);
    const color = (name) => style.getPropertyValue(name);
    const { stretches, seconds, marks, selects } = this.lanes();
    const middle = height / 2;
    context.fillStyle = color("--lane");
    context.fillRect(0, middle - 3, width, 6);
    for (const [begin, end, size] of stretches) {
      context.fillStyle = color(`--there-${Math.min(size, 2)}`);
      context.fillRect((begin / seconds) * width, middle - 3, Math.max(1, ((end - begin) / seconds) * width), 6);
    }
    const at = (frame) => (frame / frames) * width;
    context.fillStyle = color("--select");
    for (const { first, end } of selects) context.fillRect(at(first), height - 5, Math.max(2, at(end - first)), 3);
    if (!marks) return;
    context.fillStyle = color("--marked");
    context.fillRect(at(marks.first), 3, Math.max(2, at(marks.end - marks.first)), height - 6);
    context.fillStyle = color("--accent");
    context.fillRect(at(marks.first), 3, 2, height - 6);
    context.fillRect(Math.max(at(marks.first), at(marks.end) - 2), 3, 2, height - 6);
  }

  #frameOf(event) {
    const { left, width } = this.#root.getBoundingClientRect();
    const place = Math.floor(((event.clientX - left) / width) * this.#clip.frames);
    return Math.min(Math.max(0, place), this.#clip.frames - 1);
  }

  #down(event) {
    if (!this.#clip?.playable || event.button > 0) return;
    this.#root.setPointerCapture(event.pointerId);
    this.#scrub(event);
  }

  #move(event) {
    if (!this.#clip?.playable) return;
    this.#look(event);
    if (this.#root.hasPointerCapture(event.pointerId)) this.#scrub(event);
  }

  #scrub(event) {
    this.dispatchEvent(Object.assign(new Event("scrub"), { frame: this.#frameOf(event) }));
  }

  #look(event) {
    const frame = this.#frameOf(event);
    const { left, width } = this.#root.getBoundingClientRect();
    const place = Math.min(Math.max(event.clientX - left, 84), Math.max(84, width - 84));
    this.#hover.hidden = false;
    this.#hover.style.left = `${place}px`;
    this.#label.textContent = this.#clip.label(frame);
    this.#hovered = frame;
    if (!this.#following) this.#follow();
  }

  /** Draw the picture of where the pointer is, one after the other; what it passed meanwhile is left out. */
  async #follow() {
    this.#following = true;
    try {
      for (let drawn = null; this.#hovered !== null && this.#hovered !== drawn;) {
        drawn = this.#hovered;
        const strip = this.#strip;
        const picture = document.createElement("canvas");
        const there = await strip?.draw(drawn, picture);
        if (strip !== this.#strip) drawn = null; // a better one came meanwhile, or another clip
        if (!there || drawn === null || this.#hovered === null) continue;
        Object.assign(this.#picture, { width: picture.width, height: picture.height });
        this.#picture.getContext("2d").drawImage(picture, 0, 0);
        this.#picture.classList.add("drawn");
      }
    } finally {
      this.#following = false;
    }
  }

  #leave() {
    this.#hover.hidden = true;
    this.#hovered = null;
    this.#picture.classList.remove("drawn");
  }
}
