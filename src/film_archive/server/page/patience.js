// How long to wait for a server that says nothing: a network that is gone often just falls silent.

const FIRST = 5000; // ms
const LONGEST = 40_000; // a disk that has to spin up, a drive far away

export class Patience {
  #milliseconds = FIRST;

  /**
   * Watch one request: {signal, heard, end}. `signal` aborts with `signal` given, or with the error that `silent` makes when
   * nothing was heard for too long; then the next one is waited for longer, up to a limit, until something is heard again.
   */
  watch(signal, silent) {
    const controller = new AbortController();
    const passOn = () => controller.abort(signal.reason);
    signal?.addEventListener("abort", passOn);
    if (signal?.aborted) passOn();
    let timer = null;
    const wait = () => {
      timer = setTimeout(() => {
        this.#milliseconds = Math.min(LONGEST, 2 * this.#milliseconds);
        controller.abort(silent());
      }, this.#milliseconds);
    };
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", passOn);
    };
    const heard = () => {
      clearTimeout(timer);
      this.#milliseconds = FIRST;
      wait();
    };
    wait();
    return { signal: controller.signal, heard, end };
  }
}
