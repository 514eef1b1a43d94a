// Single pictures of clips, small: from the smallest proxy, decoded by a video of our own that is never shown. One at a
// time; those asked for last come first, and none before the player has its first picture.

import { FormatError } from "./boxes.js";
import { Ladder } from "./ladder.js";
import { SourceWriter } from "./source_writer.js";
import { Throughput } from "./throughput.js";

const KEPT = 400; // pictures
const WIDTH = 320; // pixels of a picture
const PATIENCE = 8000; // ms for one

export class Stills {
  #video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  #kept = new Map(); // "clip frame" → canvas
  #asked = new Map(); // the same → {clip, frame, answers}
  #open = null; // {clip, ladder, writer, there} of the clip that the video has
  #turn = 0; // what was begun in an earlier one was given up, and leaves the video alone
  #working = false;
  #gate = Promise.resolve();

  /** Begin with nothing before `gate` is settled. */
  after(gate) {
    this.#gate = gate.catch(() => {}); // whatever became of it, it is over
  }

  /** A frame's picture as a canvas, null where it can't be had. With `near`, the keyframe before it will do. */
  of(clip, frame, { near = false } = {}) {
    if (!clip.playable || clip.vfr || !("MediaSource" in globalThis)) return Promise.resolve(null);
    const wanted = near ? frame - (frame % 12) : frame;
    const key = `${clip.key} ${wanted}`;
    if (this.#kept.has(key)) return Promise.resolve(this.#kept.get(key));
    const asked = this.#asked.get(key) ?? { clip, frame: wanted, answers: [] };
    this.#asked.delete(key);
    this.#asked.set(key, asked); // now the last
    const answer = new Promise((resolve) => asked.answers.push(resolve));
    this.#work();
    return answer;
  }

  async #work() {
    if (this.#working) return;
    this.#working = true;
    await this.#gate;
    for (let next = [...this.#asked].at(-1); next; next = [...this.#asked].at(-1)) {
      const [key, { clip, frame, answers }] = next;
      let [picture, keep] = [null, true];
      try {
        picture = await inTime(this.#picture(clip, frame, this.#turn));
      } catch (error) {
        this.#turn += 1;
        this.#close();
        keep = error instanceof FormatError || error.status >= 400; // a broken proxy has no still; what only took too long has
      }
      this.#asked.delete(key);
      if (keep) this.#kept.set(key, picture);
      if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
      for (const answer of answers) answer(picture);
    }
    this.#working = false;
  }

  async #picture(clip, frame, turn) {
    if (this.#open?.clip.key !== clip.key) await this.#begin(clip, turn);
    const { ladder, writer, there } = this.#open;
    const { index } = ladder;
    const first = index.ofFrame(frame);
    if (!there.has(first)) {
      for await (const bytes of ladder.fragments({ first, count: 1, size: 0 }, new AbortController().signal, () => {})) {
        await writer.append(first, bytes, { size: 0, init: ladder.init(0), codecs: index.codecs });
      }
      there.add(first);
      await writer.complete();
    }
    this.#goOn(turn);
    const [begin, end] = index.spanOf(frame);
    const video = this.#video;
    const shown = new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
    video.currentTime = (begin + end) / 2;
    await shown;
    this.#goOn(turn);
    const canvas = document.createElement("canvas");
    canvas.width = Math.min(WIDTH, video.videoWidth);
    canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  async #begin(clip, turn) {
    this.#close();
    const ladder = new Ladder(clip.proxies.slice(0, 1), clip.rate, () => clip.describe(), new Throughput());
    await ladder.open();
    this.#goOn(turn);
    const writer = await SourceWriter.open(this.#video);
    if (turn !== this.#turn) writer.close();
    this.#goOn(turn);
    writer.begin(ladder.index.codecs, ladder.index.end);
    this.#open = { clip, ladder, writer, there: new Set() };
  }

  #goOn(turn) {
    if (turn !== this.#turn) throw new Error("This picture was given up.");
  }

  #close() {
    this.#open?.writer.close();
    this.#open = null;
  }
}

function inTime(picture) {
  let timer = null;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("The picture did not come in time.")), PATIENCE);
  });
  return Promise.race([picture, late]).finally(() => clearTimeout(timer));
}
