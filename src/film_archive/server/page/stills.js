// Single pictures of clips, small: from the smallest proxy, decoded by a video of our own that is never shown. One at a
// time; those asked for last come first, and none before the player has its first picture.

import { Ladder } from "./ladder.js";
import { SourceWriter } from "./source_writer.js";
import { Throughput } from "./throughput.js";

const KEPT = 400; // pictures
const WIDTH = 320; // pixels of a picture
const PATIENCE = 3000; // ms for one

export class Stills {
  #video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  #kept = new Map(); // "clip frame" → canvas
  #asked = new Map(); // the same → {clip, frame, answers}
  #open = null; // {clip, ladder, writer, there} of the clip that the video has
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
      const picture = await this.#picture(clip, frame).catch(() => {
        this.#close(); // a broken proxy has no still, and says so when it is played
        return null;
      });
      this.#asked.delete(key);
      this.#kept.set(key, picture);
      if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
      for (const answer of answers) answer(picture);
    }
    this.#working = false;
  }

  async #picture(clip, frame) {
    if (this.#open?.clip.key !== clip.key) await this.#begin(clip);
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
    const [begin, end] = index.spanOf(frame);
    const video = this.#video;
    const shown = new Promise((resolve, reject) => {
      video.addEventListener("seeked", resolve, { once: true });
      setTimeout(() => reject(new Error("The picture did not come in time.")), PATIENCE);
    });
    video.currentTime = (begin + end) / 2;
    await shown;
    const canvas = document.createElement("canvas");
    canvas.width = Math.min(WIDTH, video.videoWidth);
    canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  async #begin(clip) {
    this.#close();
    const ladder = new Ladder(clip.proxies.slice(0, 1), clip.rate, () => clip.describe(), new Throughput());
    const [writer] = await Promise.all([SourceWriter.open(this.#video), ladder.open()]);
    writer.begin(ladder.index.codecs, ladder.index.end);
    this.#open = { clip, ladder, writer, there: new Set() };
  }

  #close() {
    this.#open?.writer.close();
    this.#open = null;
  }
}
