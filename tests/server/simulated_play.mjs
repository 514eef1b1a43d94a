// Play over a simulated network, with the page's own planning and measuring and a clock that is counted, not waited for.
// Stands beside the page's modules when it runs; `question` is given by the test.

const STEP = 0.01; // seconds
let clock = 0;
Object.defineProperty(globalThis, "performance", { value: { now: () => clock * 1000 } });

function simulate({ rates, seconds, trace, latency, speed }) {
  clock = 0;
  const length = 0.5;
  const count = Math.ceil(seconds / length);
  const starts = Array.from({ length: count + 1 }, (_, fragment) => fragment * length);
  const held = new Int8Array(count).fill(-1);
  const bytes = (size) => Math.round((rates[size] * length) / 8);
  const throughput = new Throughput();
  const result = { stalls: 0, started: null, shown: [], asked: 0 };
  let [time, waiting, request] = [0, true, null];
  const begin = ({ first, count, size }) => {
    result.asked += 1;
    return { size, next: first, end: first + count, got: 0, left: bytes(size), begun: clock, wait: latency, measured: null };
  };
  const receive = () => {
    const rate = trace.findLast(([from]) => from <= clock)[1];
    for (let came = (rate * STEP) / 8; came > 0 && request;) {
      const taken = Math.min(came, request.left);
      came -= taken;
      request.left -= taken;
      request.got += taken;
      request.measured.came(taken);
      if (request.left > 1e-6) break;
      held[request.next] = request.size;
      request.next += 1;
      request.left = bytes(request.size);
      if (request.next < request.end) continue;
      request.measured.end();
      request = null;
    }
  };
  for (; time < seconds - STEP && clock < 20 * seconds; clock += STEP) {
    const now = Math.min(count - 1, Math.floor(time / length));
    const state = {
      starts,
      bytes,
      now,
      time,
      speed,
      held: (fragment) => held[fragment],
      came: () => false,
      playing: true,
      top: rates.length - 1,
      forced: null,
      estimate: throughput.estimate,
      stalled: waiting && result.started !== null,
    };
    if (!request) {
      const wanted = nextFetch(state);
      request = wanted && begin(wanted);
    } else if (request.wait > 0) {
      request.wait -= STEP;
    } else {
      request.measured ??= throughput.measure();
      receive();
      if (request && givesUp(state, { ...request, seconds: clock - request.begun })) {
        throughput.add(request.got, clock - request.begun);
        request.measured.end();
        request = null;
      }
    }
    const there = held[now] >= 0;
    if (there) {
      result.started ??= clock;
      time += STEP * speed;
      if (result.shown.at(-1)?.[1] !== held[now]) result.shown.push([clock, held[now]]);
    } else if (!waiting) result.stalls += 1;
    waiting = !there;
  }
  return { ...result, ended: time >= seconds - 2 * STEP };
}

console.log(JSON.stringify(question.map(simulate)));
