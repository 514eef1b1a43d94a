// The engine: fills a <video> with a clip's proxies through Media Source Extensions. It knows which fragment is there in
// which size, fetches what `plan.js` says by byte range, and gives up what would come too late.

import { FormatError } from "./boxes.js";
import { largestOfUse } from "./choice.js";
import { Ladder } from "./ladder.js";
import { givesUp, nextFetch } from "./plan.js";
import { SourceWriter } from "./source_writer.js";

const IDLE = 250; // ms between two looks at what there is to do
const GLANCE = 100; // ms between two looks at what is being fetched
const PAUSES = [200, 500, 1000, 2000, 4000]; // ms after a failed request

export class Engine extends EventTarget {
  #video;
  #throughput;
  #session = null; // of the clip that is open
  #direction = 1;

  constructor(video, throughput) {
    super();
    this.#video = video;
    this.#throughput = throughput;
    const look = () => this.#session?.wake();
    for (const name of ["play", "pause", "ratechange", "resize", "waiting"]) video.addEventListener(name, look);
    addEventListener("online", () => {
      this.#session?.request?.abort(); // what was under way when the network went may never end
      look();
    });
    video.addEventListener("waiting", () => {
      if (this.#session && !video.seeking && !video.paused) this.#session.stalls += 1;
    });
  }

  static get supported() {
    return "MediaSource" in globalThis || "ManagedMediaSource" in globalThis;
  }

  /**
   * Open a clip's `proxies` (smallest first) at a frame. `rate` is null where frames last differently; `describe` asks
   * the server for its fragment document, where the files don't tell enough. Raises FormatError where they can't be
   * played in pieces.
   */
  async open(proxies, rate, frame, describe) {
    this.close();
    const ladder = new Ladder(proxies, rate, describe, this.#throughput);
    const session = {
      ladder,
      writer: null,
      held: null,
      target: frame,
      forced: null,
      most: proxies.length - 1,
      request: null,
      stalls: 0,
      wake: () => {},
    };
    this.#session = session;
    const [writer] = await Promise.all([SourceWriter.open(this.#video), ladder.open()]);
    if (this.#session !== session) {
      writer.close();
      return;
    }
    const { index } = ladder;
    writer.begin(index.codecs, index.end);
    session.starts = Array.from(index.times, (time) => time / index.timescale);
    session.held = new Int8Array(index.count).fill(-1);
    session.writer = writer;
    this.#work(session);
  }

  close() {
    const session = this.#session;
    this.#session = null;
    session?.request?.abort();
    session?.wake();
    session?.writer?.close();
  }

  get index() {
    return this.#session?.writer ? this.#session.ladder.index : null;
  }

  get proxies() {
    return this.#session?.ladder.proxies ?? [];
  }

  /** Times that play had to wait for bytes. */
  get stalls() {
    return this.#session?.stalls ?? 0;
  }

  /** Bits a second that the connection is taken to carry. */
  get estimate() {
    return this.#throughput.estimate;
  }

  /** Always this size (a place among the proxies), or the engine's own choice: null. */
  get forced() {
    return this.#session?.forced ?? null;
  }

  set forced(size) {
    if (!this.#session) return;
    this.#session.forced = size;
    this.#session.request?.abort();
    this.#session.wake();
  }

  /** Forwards 1, backwards -1: on which side of a moving picture more is wanted. */
  set direction(sign) {
    this.#direction = sign;
    this.#session?.wake();
  }

  /** The size in which a frame is there, -1 where it isn't. */
  sizeOf(frame) {
    const session = this.#session;
    return session?.writer ? this.#held(session, session.ladder.index.ofFrame(frame)) : -1;
  }

  /** [first second, last second, size] of what is there. */
  stretches() {
    const session = this.#session;
    const found = [];
    for (let from = 0, to = 0; session?.held && from < session.held.length; from = to) {
      for (to = from + 1; to < session.held.length && session.held[to] === session.held[from];) to += 1;
      if (session.held[from] >= 0) found.push([session.starts[from], session.starts[to], session.held[from]]);
    }
    return found;
  }

  /** Go for a frame before all else. */
  want(frame) {
    const session = this.#session;
    if (!session) return;
    session.target = frame;
    if (!session.writer) return;
    const fragment = session.ladder.index.ofFrame(frame);
    const coming = session.request && fragment >= session.request.next && fragment <= session.request.next + 1;
    if (this.#held(session, fragment) < 0 && !(coming && fragment < session.request.end)) session.request?.abort();
    session.wake();
  }

  /** Wait until a frame's fragment is there. */
  async ready(frame) {
    const session = this.#session;
    while (session && session === this.#session && this.sizeOf(frame) < 0) {
      await new Promise((resolve) => this.addEventListener("fragment", resolve, { once: true }));
    }
  }

  // What to fetch

  #state(session) {
    const video = this.#video;
    const moving = (!video.paused && !video.seeking) || this.#direction < 0;
    const { index } = session.ladder;
    const byTime = !video.paused && !video.seeking;
    const pixels = Math.max(video.clientWidth, 1) * devicePixelRatio;
    return {
      starts: session.starts,
      held: (fragment) => this.#held(session, fragment),
      bytes: (size, fragment) => session.ladder.bytes(size, fragment),
      came: (size, fragment) => session.ladder.came(size, fragment),
      now: byTime ? index.ofTime(video.currentTime) : index.ofFrame(session.target),
      time: video.currentTime,
      playing: moving,
      speed: this.#direction < 0 ? -1 : video.playbackRate,
      top: Math.min(
        session.most,
        session.forced ??
          largestOfUse(
            session.ladder.proxies.map((proxy) => proxy.width),
            pixels,
          ),
      ),
      forced: session.forced === null ? null : Math.min(session.forced, session.most),
      estimate: this.#throughput.estimate,
      stalled: byTime && video.readyState < 3,
    };
  }

  #held(session, fragment) {
    const held = session.held[fragment];
    if (held >= 0 && !session.writer.has((session.starts[fragment] + session.starts[fragment + 1]) / 2))
      session.held[fragment] = -1;
    return session.held[fragment]; // the browser may have dropped it
  }

  // Fetching

  async #work(session) {
    let failures = 0;
    while (this.#session === session) {
      const wanted = nextFetch(this.#state(session));
      try {
        if (wanted) await this.#fetch(session, wanted);
        else await rest(session, IDLE);
        failures = 0;
      } catch (error) {
        if (this.#session !== session) return;
        if (error.name === "AbortError") continue;
        const final = error.final || error instanceof FormatError;
        this.dispatchEvent(Object.assign(new Event("trouble"), { error, lasting: final || failures >= PAUSES.length }));
        if (final && wanted?.size > 0) {
          session.most = Math.min(session.most, wanted.size - 1); // this size can't be had; the smaller ones serve
          continue;
        }
        await rest(session, final ? 10_000 : (PAUSES[failures] ?? PAUSES.at(-1)));
        failures += 1;
      }
    }
  }

  async #fetch(session, { first, count, size }) {
    const { ladder, writer } = session;
    const controller = new AbortController();
    const request = {
      size,
      next: first,
      end: first + count,
      got: 0,
      left: null,
      begun: performance.now(),
      abort: () => controller.abort(),
    };
    session.request = request;
    const watch = setInterval(() => this.#watch(session, request), GLANCE);
    try {
      const index = await ladder.indexOf(size);
      request.left = index.bytes(first);
      const progress = (bytes) => {
        request.got += bytes;
        request.left -= bytes;
      };
      for await (const bytes of ladder.fragments({ first, count, size }, controller.signal, progress)) {
        if (this.#session !== session) return;
        const fragment = request.next;
        ladder.index.learn(fragment, bytes);
        await this.#keep(session, fragment, bytes, size, index.codecs);
        request.next += 1;
        if (request.next < request.end) request.left += index.bytes(request.next);
        this.dispatchEvent(Object.assign(new Event("fragment"), { fragment, size }));
      }
    } finally {
      clearInterval(watch);
      session.request = null;
    }
  }

  async #keep(session, fragment, bytes, size, codecs) {
    const { ladder, writer, starts, held } = session;
    const span = (place) => [starts[place], starts[place + 1]];
    for (const gone of await writer.makeRoom(bytes.length, ladder.index.ofTime(this.#video.currentTime), span)) held[gone] = -1;
    await writer.append(fragment, bytes, { size, init: ladder.init(size), codecs });
    held[fragment] = size;
    if (held.at(-1) >= 0) await writer.complete();
  }

  #watch(session, request) {
    if (this.#session !== session) return;
    const seconds = (performance.now() - request.begun) / 1000;
    if (!givesUp(this.#state(session), { ...request, seconds })) return;
    this.#throughput.add(request.got, seconds);
    request.abort();
  }
}

function rest(session, milliseconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    session.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
