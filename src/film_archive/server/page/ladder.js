// A clip's proxies as files: their heads, their indexes, and the bytes of their fragments by range, with what of them is
// read measured.

import { FormatError } from "./boxes.js";
import { headBytes, indexOfDocument, indexOfHead } from "./fragments.js";
import { Patience } from "./patience.js";

export class FetchError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
    this.final = status >= 400 && status < 500 && status !== 408 && status !== 429;
  }
}

export class Ladder {
  #rate;
  #describe;
  #throughput;
  #rungs;
  #patience = new Patience();

  /** `proxies` smallest first; `describe` resolves to the server's fragment document of the clip. */
  constructor(proxies, rate, describe, throughput) {
    this.proxies = proxies;
    this.#rate = rate;
    this.#describe = describe;
    this.#throughput = throughput;
    this.#rungs = proxies.map(() => ({ index: null, head: null, reading: null }));
  }

  /** The index of the smallest size, by whose fragments all others are counted. */
  get index() {
    return this.#rungs[0].index;
  }

  async open() {
    await this.indexOf(0);
  }

  /**
   * The index of a size; its head is read when it is first asked for. Raises FormatError where it can't be played with
   * the others.
   */
  indexOf(size) {
    const rung = this.#rungs[size];
    rung.reading ??= this.#readHead(size).catch((error) => {
      rung.reading = null;
      throw error;
    });
    return rung.reading;
  }

  /** Bytes of a fragment in a size, by its average where its index was not read yet. */
  bytes(size, fragment) {
    const { index } = this.#rungs[size];
    if (index) return index.bytes(fragment);
    const seconds = (this.index.times[fragment + 1] - this.index.times[fragment]) / this.index.timescale;
    return (this.proxies[size].bit_rate * seconds) / 8;
  }

  /** Whether a fragment came with its file's head, so that nothing has to be asked for. */
  came(size, fragment) {
    const { index, head } = this.#rungs[size];
    return index !== null && index.offsets[fragment + 1] <= head.length;
  }

  /** A size's bytes that describe its tracks. */
  init(size) {
    const { head, index } = this.#rungs[size];
    return head.subarray(0, index.init);
  }

  /** Yields the bytes of `count` fragments one after the other; `progress` hears of all bytes as they come. */
  async *fragments({ first, count, size }, signal, progress) {
    const { index, head } = this.#rungs[size];
    let fragment = first;
    for (; fragment < first + count && index.offsets[fragment + 1] <= head.length; fragment += 1) {
      yield head.subarray(index.offsets[fragment], index.offsets[fragment + 1]);
    }
    if (fragment === first + count) return;
    const from = index.offsets[fragment];
    // What of it came with the head is not asked for again.
    const begun = Math.min(Math.max(from, head.length), index.offsets[fragment + 1]);
    const buffer = new Uint8Array(index.offsets[first + count] - from);
    if (begun > from) buffer.set(head.subarray(from, begun));
    let filled = begun - from;
    for await (const bytes of this.#range(size, begun, index.offsets[first + count], signal)) {
      buffer.set(bytes, filled);
      filled += bytes.length;
      progress(bytes.length);
      for (; fragment < first + count && index.offsets[fragment + 1] - from <= filled; fragment += 1) {
        yield buffer.subarray(index.offsets[fragment] - from, index.offsets[fragment + 1] - from);
      }
    }
  }

  async #readHead(size) {
    const rung = this.#rungs[size];
    const proxy = this.proxies[size];
    const chosen = size === 0 ? headBytes(proxy, this.#rate) : headBytes({ ...proxy, bit_rate: 0 }, this.#rate);
    let head = await this.#whole(size, 0, chosen);
    let index;
    try {
      index = indexOfHead(head, this.#rate, proxy.frames);
      while (index.need) {
        const more = await this.#whole(size, head.length, index.need);
        if (!more.length) throw new FormatError(`${proxy.path} ends within its tables.`);
        head = joined(head, more);
        index = indexOfHead(head, this.#rate, proxy.frames);
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const document = await this.#described(proxy);
      if (!document) throw error;
      if (head.length < document.init) head = joined(head, await this.#whole(size, head.length, document.init));
      index = indexOfDocument(document, this.#rate, head.subarray(0, document.init));
    }
    if (size > 0 && !this.index.goesWith(index))
      throw new FormatError(`${proxy.path} is divided otherwise than ${this.proxies[0].path}.`);
    Object.assign(rung, { head, index });
    return index;
  }

  /** What the server knows of a proxy's fragments; null where it says that there are none. */
  async #described(proxy) {
    try {
      return (await this.#describe()).proxies.find((one) => one.size === proxy.size) ?? null;
    } catch (error) {
      if (error.status === 422) return null;
      throw error;
    }
  }

  async #whole(size, from, to) {
    let whole = new Uint8Array(0);
    for await (const bytes of this.#range(size, from, to)) whole = joined(whole, bytes);
    return whole;
  }

  async *#range(size, from, to, signal) {
    const proxy = this.proxies[size];
    const watched = this.#patience.watch(signal, () => new FetchError(`${proxy.path} does not come: the server is silent.`, 0));
    let [reader, measured, left] = [null, null, to - from];
    try {
      const answer = await fetch(proxy.url, { headers: { Range: `bytes=${from}-${to - 1}` }, signal: watched.signal });
      watched.heard();
      if (answer.status !== 206 && !(answer.status === 200 && from === 0)) {
        await answer.body?.cancel();
        throw new FetchError(`${proxy.path} can't be read: the server answered ${answer.status}.`, answer.status);
      }
      reader = answer.body.getReader();
      measured = this.#throughput.measure();
      while (left > 0) {
        const { done, value } = await reader.read();
        if (done) break;
        watched.heard();
        const bytes = value.subarray(0, left); // of a server that sends all
        left -= bytes.length;
        measured.came(bytes.length);
        yield bytes;
      }
    } finally {
      watched.end();
      measured?.end();
      reader?.cancel().catch(() => {}); // has no effect where all was read; an aborted one says so to its reader
    }
    if (left > 0 && signal) throw new FetchError(`${proxy.path} ended early.`, 0);
  }
}

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
