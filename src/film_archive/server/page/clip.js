// A clip: an original of an archive, its facts, its proxies, and the timecode of its frames.

import * as api from "./api.js";
import { frameOfLabel, framesPerDay, labelOfFrame, parseRate, readEntry } from "./timecode.js";

export class Clip {
  #fragments = null;

  /** `archive` is its path, `member` the server's document. */
  constructor(archive, member) {
    this.archive = archive;
    this.member = member;
    this.media = member.media;
    this.path = member.path;
    this.name = member.path.split("/").at(-1);
    this.key = `${archive}/${member.path}`;
    this.rate = parseRate(member.media?.frame_rate);
    this.proxies = member.proxies.filter((proxy) => proxy.path.endsWith(".mp4")); // those for the edit are QuickTime
    this.vfr = Boolean(member.media?.vfr);
    this.frames = this.proxies[0]?.frames ?? member.media?.frames ?? 0;
    this.drop = Boolean(member.media?.drop_frame);
    const counts = this.rate && member.media.start_timecode && !member.media.start_rate;
    this.start = counts ? frameOfLabel(member.media.start_timecode, this.rate.nominal, this.drop) : null;
  }

  /** Whether it can be played here. */
  get playable() {
    return this.proxies.length > 0 && this.rate !== null;
  }

  /** What the server's addresses have of it below /media/; null where it has no bytes of its own (an image sequence). */
  get mediaPath() {
    const url = this.member.url;
    return url && decodeURIComponent(url.slice(url.indexOf("/media/") + "/media/".length));
  }

  /** The label of a frame, null where the clip has no timecode that can be counted. */
  timecode(frame) {
    return this.start === null ? null : labelOfFrame(this.start + frame, this.rate.nominal, this.drop);
  }

  /** What is said of a frame: its timecode, else its number. */
  label(frame) {
    return this.timecode(frame) ?? String(frame);
  }

  /**
   * The frame that a person means: a timecode, digits as they are typed on a deck, +/- from `frame`, f and a number;
   * else null.
   */
  frameMeant(text, frame) {
    const entry = readEntry(text, this.rate.nominal, this.drop);
    if (entry === null) return null;
    if (entry.frame !== undefined) return entry.frame;
    if (entry.distance !== undefined) return frame + entry.distance;
    if (this.start === null) return entry.label;
    const day = framesPerDay(this.rate.nominal, this.drop);
    return (((entry.label - this.start) % day) + day) % day;
  }

  /** The server's fragment document; asked for once. */
  describe() {
    this.#fragments ??= api.fragments(this.archive, this.path);
    return this.#fragments;
  }
}
