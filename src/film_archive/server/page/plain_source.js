// The browser's own way of playing a file, for browsers without Media Source Extensions and proxies without fragments: one size,
// which the browser reads as it likes. Has the engine's face.

export class PlainSource {
  #video;
  proxies = [];
  index = null;
  forced = null;
  direction = 1;
  stalls = 0;
  estimate = null;

  constructor(video) {
    this.#video = video;
  }

  async open(proxies, rate) {
    const pixels = Math.max(this.#video.clientWidth, 1) * devicePixelRatio;
    const proxy = proxies.find((one) => one.width >= pixels) ?? proxies.at(-1);
    this.#video.src = proxy.url;
    await new Promise((resolve, reject) => {
      this.#video.addEventListener("loadeddata", resolve, { once: true });
      this.#video.addEventListener("error", () => reject(new Error(this.#video.error?.message || "The proxy can't be played.")), {
        once: true,
      });
    });
    this.proxies = [proxy];
    const at = (frame) => (frame * rate.denominator) / rate.numerator;
    const clamped = (frame) => Math.min(Math.max(0, frame), proxy.frames - 1);
    this.index = {
      frameCount: proxy.frames,
      spanOf: (frame) => [at(frame), at(frame + 1)],
      frameAt: (seconds, begins) => clamped(begins ? Math.round(seconds / at(1)) : Math.floor(seconds / at(1) + 1e-6)),
    };
  }

  close() {
    this.index = null;
    this.proxies = [];
  }

  sizeOf() {
    return 0;
  }

  stretches() {
    const { buffered } = this.#video;
    return Array.from(buffered, (_, place) => [buffered.start(place), buffered.end(place), 0]);
  }

  want() {}

  async ready() {}
}
