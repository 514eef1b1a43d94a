// Archives and their clips: as a wall of pictures, and beside the viewer as a list.

import * as api from "./api.js";
import { Clip } from "./clip.js";
import { element, find } from "./dom.js";
import { sizeText, summary } from "./facts.js";

const PAUSE = 200; // ms of not typing, before a search

export class Browser extends EventTarget {
  #stills;
  #archives = [];
  #archive = null; // its path
  #clips = [];
  #next = null; // where the list of clips goes on
  #stillsOf = new Map(); // role → original's path → address
  #chosen = null; // the path of the clip that is open
  #asked = 0; // an answer to an older question is dropped
  #watch;

  constructor(stills) {
    super();
    this.#stills = stills;
    const look = (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => this.#picture(entry.target));
    this.#watch = new IntersectionObserver(look, { rootMargin: "200px" });
    let timer = null;
    find("search").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.#report(() => this.#list()), PAUSE);
    });
    find("more").addEventListener("click", () => this.#report(() => this.#more()));
  }

  get archive() {
    return this.#archive;
  }

  get clips() {
    return this.#clips;
  }

  /** Ask for the archives; resolves to their paths. */
  async start() {
    const { archives, complete } = await api.archives();
    this.#archives = archives;
    const entries = archives.map(({ path, form }) =>
      element(
        "li",
        {},
        element(
          "a",
          { href: `#${new URLSearchParams({ archive: path })}`, dataset: { path } },
          element("strong", { textContent: path }),
          element("span", { className: "quiet", textContent: form === "zip" ? "archive file" : "folder archive" }),
        ),
      ),
    );
    find("archives").replaceChildren(...entries);
    const none = "There are no archives below what is served; make one with “film-archive create”.";
    find("archives-note").textContent = !archives.length ? none : complete ? "" : "There are more archives than are listed here.";
    return archives.map(({ path }) => path);
  }

  /** Show an archive's clips. */
  async open(path) {
    if (path === this.#archive) return;
    this.#archive = path;
    this.#stillsOf = new Map();
    find("search").value = "";
    this.mark();
    find("archive-facts").textContent = "";
    await this.#list();
    const about = await api.archive(path);
    if (path !== this.#archive) return;
    const parts = about.foreign
      ? ["a zip of another program"]
      : [`${about.members} members`, sizeText(about.bytes), `generation ${about.generation}`];
    find("archive-facts").textContent = parts.join(" · ");
  }

  /** Mark the archive that is open. */
  mark() {
    for (const link of find("archives").querySelectorAll("a")) {
      if (link.dataset.path === this.#archive) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  /** A clip of an archive, asked for where it is not in the list. */
  async clip(archive, path) {
    const listed = this.#clips.find((clip) => clip.archive === archive && clip.path === path);
    return listed ?? new Clip(archive, await api.member(archive, path));
  }

  /** Mark the clip that is open. */
  choose(path) {
    this.#chosen = path;
    for (const entry of find("clips").querySelectorAll("a")) {
      const chosen = entry.dataset.path === path;
      if (chosen) entry.setAttribute("aria-current", "true");
      else entry.removeAttribute("aria-current");
      if (chosen) entry.scrollIntoView({ block: "nearest" });
    }
  }

  /** The clip some places before (-1) or after (1) the open one, or null. */
  neighbour(by) {
    const place = this.#clips.findIndex((clip) => clip.path === this.#chosen);
    return place < 0 ? null : (this.#clips[place + by] ?? null);
  }

  /** The address of what was made of a clip: "poster" (a picture), "strip" (its WebVTT); null where there is none. */
  async embedded(role, clip) {
    const key = `${this.#archive} ${role}`;
    if (!this.#stillsOf.has(key)) {
      const ending = role === "strip" ? ".vtt" : ".jpg";
      const asked = api
        .members(this.#archive, role, { limit: 10_000 })
        .then(
          ({ members }) =>
            new Map(members.filter((one) => one.of && one.url && one.path.endsWith(ending)).map((one) => [one.of, one.url])),
        );
      this.#stillsOf.set(key, asked);
    }
    return (await this.#stillsOf.get(key)).get(clip.path) ?? null;
  }

  async #list() {
    const mine = ++this.#asked;
    const archive = this.#archive;
    const { members, next } = await api.members(archive, "original", { words: find("search").value.trim() });
    if (mine !== this.#asked) return;
    this.#clips = members.map((member) => new Clip(archive, member));
    this.#next = next;
    this.#watch.disconnect();
    find("clips").replaceChildren(...this.#clips.map((clip) => this.#entry(clip)));
    this.#listed();
  }

  async #more() {
    const mine = this.#asked;
    const { members, next } = await api.members(this.#archive, "original", {
      words: find("search").value.trim(),
      offset: this.#next,
    });
    if (mine !== this.#asked) return;
    const clips = members.map((member) => new Clip(this.#archive, member));
    this.#clips.push(...clips);
    this.#next = next;
    find("clips").append(...clips.map((clip) => this.#entry(clip)));
    this.#listed();
  }

  #listed() {
    const searched = find("search").value.trim() !== "";
    find("more").hidden = this.#next === null;
    find("no-clips").hidden = this.#clips.length > 0;
    find("no-clips").textContent = searched ? "No clip matches." : "This archive holds no clips.";
    find("clip-count").textContent =
      `${this.#clips.length}${this.#next === null ? "" : "+"} ${this.#clips.length === 1 ? "clip" : "clips"}`;
  }

  #entry(clip) {
    const [what, when] = summary(clip.member);
    const kind = (clip.media?.container ?? clip.name.split(".").at(-1)).slice(0, 5);
    const picture = element("span", { className: "thumb" }, element("span", { className: "blank", textContent: kind }));
    const link = element(
      "a",
      {
        href: `#${new URLSearchParams({ archive: this.#archive, clip: clip.path })}`,
        title: clip.path,
        dataset: { path: clip.path },
      },
      picture,
      element(
        "span",
        { className: "lines" },
        element("strong", { textContent: clip.name }),
        element("span", { className: "quiet", textContent: what }),
        element("span", { className: "quiet", textContent: when }),
      ),
    );
    if (clip.path === this.#chosen) link.setAttribute("aria-current", "true");
    picture.clip = clip;
    this.#watch.observe(picture);
    return element("li", {}, link);
  }

  async #picture(place) {
    this.#watch.unobserve(place);
    const { clip } = place;
    const url = await this.embedded("poster", clip).catch(() => null); // without one the proxy serves
    if (url) {
      place.replaceChildren(element("img", { src: url, alt: "", loading: "lazy" }));
      return;
    }
    const canvas = await this.#stills.of(clip, Math.floor(clip.frames / 3), { near: true });
    if (!canvas) return;
    const copy = element("canvas", { width: canvas.width, height: canvas.height });
    copy.getContext("2d").drawImage(canvas, 0, 0);
    place.replaceChildren(copy);
  }

  #report(work) {
    this.dispatchEvent(Object.assign(new Event("work"), { work }));
  }
}
