// What the connection carries, in bits a second: two moving averages of which the lower one counts, and quick to believe
// in better times.

const HALF_LIVES = [1, 4]; // seconds of receiving
const LEAST = 8192; // bytes; less says more of latency than of throughput
const SPAN = 0.25; // seconds of receiving that make a sample
const BURST = 2; // times the estimate, twice in a row: the slow patch is over

export class Throughput {
  #averages = HALF_LIVES.map(() => ({ weight: 0, value: 0 }));
  #burst = [];

  /** Bits a second, null before anything is known. */
  get estimate() {
    if (this.#averages[0].weight === 0) return null;
    return Math.min(...this.#averages.map(({ weight, value }) => value / weight));
  }

  /** Watch an answer's body: tell `came(bytes)` of what comes, and `end()`. */
  measure() {
    let [since, bytes, open] = [performance.now(), 0, true];
    const sample = () => {
      const seconds = (performance.now() - since) / 1000;
      this.add(bytes, seconds);
      [since, bytes] = [performance.now(), 0];
    };
    return {
      came: (count) => {
        bytes += count;
        if (performance.now() - since >= 1000 * SPAN) sample();
      },
      end: () => {
        if (open) sample();
        open = false;
      },
    };
  }

  /** `bytes` came within `seconds`. */
  add(bytes, seconds) {
    const lasted = Math.max(seconds, 0.001);
    if (bytes < LEAST && lasted < SPAN) return;
    const rate = (8 * bytes) / lasted;
    const before = this.estimate;
    this.#averages.forEach((average, place) => {
      const kept = 0.5 ** (lasted / HALF_LIVES[place]);
      average.weight = average.weight * kept + 1 - kept;
      average.value = average.value * kept + rate * (1 - kept);
    });
    this.#burst = before !== null && rate > BURST * before ? [...this.#burst, rate] : [];
    if (this.#burst.length === 2) {
      // Samples weigh by their duration, so that short ones of a fast connection would hardly count against long slow ones.
      const value = Math.min(...this.#burst) / 1.25;
      this.#averages.forEach((average) => Object.assign(average, { weight: 1, value }));
      this.#burst = [];
    }
  }
}
