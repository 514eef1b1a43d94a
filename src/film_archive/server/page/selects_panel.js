// The list of selects beside the picture: what was marked, its notes, and what can be made of it.

import * as api from "./api.js";
import { Clip } from "./clip.js";
import { element, find, save, sign } from "./dom.js";
import { run, tell } from "./messages.js";
import { parseRate } from "./timecode.js";

export class SelectsPanel extends EventTarget {
  #selects;
  #stills;
  #clips = new Map(); // "archive/path" → promise of its Clip
  mayExtract = true;

  constructor(selects, stills) {
    super();
    this.#selects = selects;
    this.#stills = stills;
    selects.addEventListener("change", () => this.draw());
    find("list-title").addEventListener("change", () => selects.name(find("list-title").value.trim() || "Selects"));
    find("handles").addEventListener("change", () => {
      const handles = Math.min(Math.max(0, Math.round(Number(find("handles").value)) || 0), 10_000);
      selects.withHandles(handles);
    });
    for (const format of ["edl", "otio"])
      find(`export-${format}`).addEventListener("click", () => run(() => this.#export(format)));
    find("extract-all").addEventListener("click", () => run(() => this.extract(selects.list)));
    find("clear-selects").addEventListener("click", () => {
      const before = selects.clear();
      tell(`${before.length} ${before.length === 1 ? "select is" : "selects are"} gone from the list.`, {
        text: "Undo",
        work: () => selects.restore(before),
      });
    });
  }

  draw() {
    const { list, title, handles } = this.#selects;
    find("selects-count").textContent = list.length || "";
    find("no-selects").hidden = list.length > 0;
    find("selects-tools").hidden = list.length === 0;
    find("list-title").value = title;
    find("handles").value = handles;
    find("extract-all").disabled = !this.mayExtract;
    find("extract-all").title = this.mayExtract ? "" : "The token gives no right to jobs";
    const kept = new Map([...find("selects").children].map((row) => [row.dataset.id, row]));
    const rows = list.map((select) => kept.get(select.id) ?? this.#row(select));
    const focus = document.activeElement;
    find("selects").replaceChildren(...rows);
    if (focus?.isConnected) focus.focus();
  }

  #row(select) {
    const clip = new Clip(select.archive, { path: select.path, media: select.media, proxies: [] });
    const frames = select.end - select.first;
    const rate = parseRate(select.media.frame_rate);
    const seconds = rate ? ` · ${((frames * rate.denominator) / rate.numerator).toFixed(1)} s` : "";
    const what = `${clip.label(select.first)} – ${clip.label(select.end - 1)}`;
    const picture = element("span", { className: "thumb" });
    this.#picture(select, picture);
    const go = () => this.dispatchEvent(Object.assign(new Event("open"), { select }));
    const button = (text, icon, work) =>
      element(
        "button",
        {
          type: "button",
          className: "small",
          title: text,
          attributes: { "aria-label": `${text}: ${clip.name} ${what}` },
          on: { click: work },
        },
        sign(icon),
      );
    return element(
      "li",
      { dataset: { id: select.id } },
      element(
        "button",
        { type: "button", className: "go", title: "Show it", on: { click: go } },
        picture,
        element(
          "span",
          { className: "lines" },
          element("strong", { textContent: clip.name }),
          element("span", { className: "mono", textContent: what }),
          element("span", { className: "quiet", textContent: `${frames} ${frames === 1 ? "frame" : "frames"}${seconds}` }),
        ),
      ),
      element(
        "div",
        { className: "row" },
        element("input", {
          className: "note-of",
          value: select.note,
          placeholder: "Note",
          maxLength: 200,
          attributes: { "aria-label": `Note on ${clip.name} ${what}` },
          on: { change: (event) => this.#selects.note(select.id, event.target.value.trim()) },
        }),
        button("Move up", "up", () => this.#selects.move(select.id, -1)),
        button("Move down", "down", () => this.#selects.move(select.id, 1)),
        button("Extract", "extract", () => run(() => this.extract([select]))),
        button("Remove", "remove", () => this.#remove(select)),
      ),
    );
  }

  #remove(select) {
    const before = this.#selects.list;
    this.#selects.remove(select.id);
    tell("The select is gone from the list.", { text: "Undo", work: () => this.#selects.restore(before) });
  }

  /** The clip of a select, as the server knows it now. */
  clipOf(select) {
    const key = `${select.archive}/${select.path}`;
    if (!this.#clips.has(key)) {
      const asked = api.member(select.archive, select.path).then((member) => new Clip(select.archive, member));
      asked.catch(() => this.#clips.delete(key));
      this.#clips.set(key, asked);
    }
    return this.#clips.get(key);
  }

  async #picture(select, place) {
    const clip = await this.clipOf(select).catch(() => null); // it may be gone; the select stays
    const canvas = clip && (await this.#stills.of(clip, select.first));
    if (!canvas) return;
    const copy = element("canvas", { width: canvas.width, height: canvas.height });
    copy.getContext("2d").drawImage(canvas, 0, 0);
    place.replaceChildren(copy);
  }

  async #export(format) {
    const { list, title } = this.#selects;
    const selects = list.map(({ archive, path, first, end, note }) => ({ archive, member: path, first, end, note }));
    const made = await api.list({ format, title, selects });
    save(made.name, made.text, made.media_type);
    if (made.lost.length) tell(`${made.name}: ${made.lost.join("; ")}.`);
  }

  /** Queue the extraction of selects with their handles. */
  async extract(list) {
    const { handles } = this.#selects;
    for (const select of list) {
      const clip = new Clip(select.archive, { path: select.path, media: select.media, proxies: [] });
      if (!select.mediaPath)
        throw new Error(`${select.name} is an image sequence; “film-archive extract” cuts it, this page does not.`);
      if (clip.start === null) throw new Error(`${select.name} has no start timecode, so it can't be cut by it.`);
      await api.extract({ path: select.mediaPath, in: clip.timecode(select.first), out: clip.timecode(select.end), handles });
    }
    this.dispatchEvent(new Event("queued"));
  }
}
