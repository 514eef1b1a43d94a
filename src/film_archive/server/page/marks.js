// In and out of the clip on the screen, and the list of selects, which the browser keeps. Ranges are half-open: O marks
// the last frame that belongs to it, and `end` is the one after.

const VERSION = 1;

/** The in and out points of a clip. */
export class Marks extends EventTarget {
  first = null;
  end = null;

  set(first, end) {
    [this.first, this.end] = [first, end];
    this.dispatchEvent(new Event("change"));
  }

  /** This frame is the first; an out point that lies before it goes. */
  markIn(frame) {
    this.set(frame, this.end !== null && this.end <= frame ? null : this.end);
  }

  /** This frame is the last; an in point that lies behind it goes. */
  markOut(frame) {
    this.set(this.first !== null && this.first > frame ? null : this.first, frame + 1);
  }

  clear() {
    this.set(null, null);
  }

  /** {first, end} of a clip of so many frames, an open side being the clip's own; null where nothing is marked. */
  range(frames) {
    if (this.first === null && this.end === null) return null;
    return { first: this.first ?? 0, end: this.end ?? frames };
  }
}

/** The list of selects: {id, archive, path, name, media, first, end, note}, with a title and handles for all. */
export class Selects extends EventTarget {
  #store;
  #key;
  title = "Selects";
  handles = 12;
  list = [];

  /** `store` is the browser's localStorage or something like it. */
  constructor(store, key) {
    super();
    this.#store = store;
    this.#key = key;
    this.#read(store.getItem(key));
  }

  /** Another window of the browser has changed the list. */
  changedElsewhere(key, value) {
    if (key !== this.#key) return;
    this.#read(value);
    this.dispatchEvent(new Event("change"));
  }

  #read(text) {
    let kept = null;
    try {
      kept = JSON.parse(text);
    } catch {
      kept = null; // not ours, or broken: the list begins anew
    }
    if (kept?.version !== VERSION || !Array.isArray(kept.selects)) {
      this.list = [];
      return;
    }
    this.title = String(kept.title);
    this.handles = Number(kept.handles) || 0;
    this.list = kept.selects.filter((one) => Number.isInteger(one?.first) && one.end > one.first && one.media);
  }

  /** Add a range of a clip at the list's end; the very same range is there once. */
  add(clip, { first, end }) {
    const same = this.list.find(
      (one) => one.archive === clip.archive && one.path === clip.path && one.first === first && one.end === end,
    );
    if (same) return same;
    const { frame_rate, start_timecode, drop_frame, start_rate, reel } = clip.media;
    const media = { frame_rate, start_timecode, drop_frame, start_rate, reel };
    const place = { archive: clip.archive, path: clip.path, mediaPath: clip.mediaPath, name: clip.name };
    const made = { id: crypto.getRandomValues(new Uint32Array(2)).join("-"), ...place, media, first, end, note: "" };
    this.#change([...this.list, made]);
    return made;
  }

  remove(id) {
    this.#change(this.list.filter((one) => one.id !== id));
  }

  note(id, note) {
    this.#change(this.list.map((one) => (one.id === id ? { ...one, note } : one)));
  }

  /** One place up (-1) or down (1). */
  move(id, by) {
    const from = this.list.findIndex((one) => one.id === id);
    const to = from + by;
    if (from < 0 || to < 0 || to >= this.list.length) return;
    const list = [...this.list];
    list.splice(to, 0, ...list.splice(from, 1));
    this.#change(list);
  }

  name(title) {
    this.title = title;
    this.#change(this.list);
  }

  withHandles(handles) {
    this.handles = handles;
    this.#change(this.list);
  }

  /** All selects as they are; `restore` takes them back. */
  clear() {
    const before = this.list;
    this.#change([]);
    return before;
  }

  restore(list) {
    this.#change(list);
  }

  #change(list) {
    this.list = list;
    this.#store.setItem(this.#key, JSON.stringify({ version: VERSION, title: this.title, handles: this.handles, selects: list }));
    this.dispatchEvent(new Event("change"));
  }
}
