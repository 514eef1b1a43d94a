// The browser's buffer: a MediaSource on a <video>, one SourceBuffer, one thing done to it at a time.

const ROOM = 96 << 20; // bytes that are kept; browsers allow 100 to 150 MB
const BEHIND = 8; // fragments behind the playhead that stay as long as others can go

export class SourceWriter {
  #video;
  #source;
  #url;
  #buffer = null;
  #codecs = null;
  #size = null;
  #queue = Promise.resolve();
  #bytes = new Map(); // fragment → bytes

  /** Attach a new MediaSource to a video; resolves when the browser has opened it. */
  static async open(video) {
    const writer = new SourceWriter();
    writer.#video = video;
    writer.#source = new (globalThis.MediaSource ?? globalThis.ManagedMediaSource)();
    video.disableRemotePlayback = true; // which ManagedMediaSource asks for
    writer.#url = URL.createObjectURL(writer.#source);
    const opened = new Promise((resolve) => writer.#source.addEventListener("sourceopen", resolve, { once: true }));
    video.src = writer.#url;
    await opened;
    return writer;
  }

  /** Once, before anything is appended. */
  begin(codecs, seconds) {
    this.#buffer = this.#source.addSourceBuffer(mime(codecs));
    this.#codecs = codecs;
    this.#source.duration = seconds;
  }

  /** Append a fragment; `init` describes the tracks of its `size` and goes before it where the last one was of another. */
  append(fragment, bytes, { size, init, codecs }) {
    return this.#next(async () => {
      if (this.#size !== size) {
        if (codecs !== this.#codecs) this.#buffer.changeType(mime(codecs));
        [this.#codecs, this.#size] = [codecs, size];
        await this.#append(init);
      }
      await this.#append(bytes);
      this.#bytes.set(fragment, bytes.length);
    });
  }

  /** Drop fragments, those farthest from `now` first, until `more` bytes find room; resolves to those that are gone. */
  makeRoom(more, now, spanOf) {
    return this.#next(async () => {
      const gone = [];
      let sum = [...this.#bytes.values()].reduce((one, other) => one + other, more);
      const distance = (fragment) => (fragment < now ? 2 * Math.max(0, now - fragment - BEHIND) : fragment - now);
      for (const fragment of [...this.#bytes.keys()].sort((one, other) => distance(other) - distance(one))) {
        if (sum <= ROOM) break;
        await this.#done(() => this.#buffer.remove(...spanOf(fragment)));
        sum -= this.#bytes.get(fragment);
        this.#bytes.delete(fragment);
        gone.push(fragment);
      }
      return gone;
    });
  }

  /** The last fragment is there: the clip has an end. */
  complete() {
    return this.#next(async () => {
      if (this.#source.readyState === "open") this.#source.endOfStream();
    });
  }

  /** Whether a time is in the browser's buffer; it may drop what was appended. */
  has(seconds) {
    const { buffered } = this.#buffer;
    for (let place = 0; place < buffered.length; place += 1) {
      if (buffered.start(place) <= seconds && seconds < buffered.end(place)) return true;
    }
    return false;
  }

  close() {
    URL.revokeObjectURL(this.#url);
    if (this.#video.src === this.#url) {
      this.#video.removeAttribute("src");
      this.#video.load();
    }
  }

  #next(work) {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {}); // whoever asked for it is told; the next one has its own turn
    return done;
  }

  #append(bytes) {
    return this.#done(() => this.#buffer.appendBuffer(bytes));
  }

  async #done(work) {
    const ended = new Promise((resolve, reject) => {
      const listen = { once: true };
      this.#buffer.addEventListener("updateend", resolve, listen);
      this.#buffer.addEventListener("error", () => reject(new Error("The browser can't read the proxy.")), listen);
      this.#source.addEventListener("sourceclose", () => reject(new DOMException("closed", "AbortError")), listen);
    });
    work();
    await ended;
  }
}

const mime = (codecs) => `video/mp4; codecs="${codecs}"`;
