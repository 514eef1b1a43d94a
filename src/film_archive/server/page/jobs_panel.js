// Extractions beside the picture: what was asked for, how far it is, and its file.

import * as api from "./api.js";
import { element, find, sign } from "./dom.js";
import { sizeText } from "./facts.js";
import { run } from "./messages.js";

const SOON = 400; // ms between two looks while something is being done
const FINAL = new Set(["done", "failed", "cancelled"]);

export class JobsPanel {
  #timer = null;

  /** Ask for the jobs, and go on asking while some are under way. */
  async look() {
    clearTimeout(this.#timer);
    const jobs = await api.jobs();
    this.#draw(jobs);
    if (jobs.some((job) => !FINAL.has(job.state))) this.#timer = setTimeout(() => run(() => this.look()), SOON);
  }

  #draw(jobs) {
    const open = jobs.filter((job) => !FINAL.has(job.state)).length;
    find("jobs-count").textContent = open || "";
    find("no-jobs").hidden = jobs.length > 0;
    find("jobs").replaceChildren(...jobs.map((job) => this.#row(job)));
  }

  #row(job) {
    const part = job.bytes_total ? Math.min(1, job.bytes_done / job.bytes_total) : 0;
    const running = !FINAL.has(job.state);
    const state = {
      queued: "waits",
      running: `${Math.floor(100 * part)} %`,
      done: sizeText(job.bytes_total),
      failed: "failed",
      cancelled: "cancelled",
    }[job.state];
    const handles = job.head_handle || job.tail_handle ? `, handles ${job.head_handle} + ${job.tail_handle}` : "";
    const label = running ? "Cancel" : "Forget";
    const remove = async () => {
      await api.removeJob(job.id);
      await this.look();
    };
    return element(
      "li",
      { className: job.state },
      element(
        "div",
        { className: "row" },
        element(
          "span",
          { className: "lines" },
          element("strong", { textContent: job.name }),
          element("span", {
            className: "quiet",
            textContent: `${job.start_timecode} · ${job.frames} frames${handles} · ${state}`,
          }),
          job.error ? element("span", { className: "bad", textContent: job.error }) : null,
        ),
        job.file_url
          ? element(
              "a",
              {
                className: "button",
                href: job.file_url,
                download: job.name,
                title: "Download",
                attributes: { "aria-label": `Download ${job.name}` },
              },
              sign("download"),
            )
          : null,
        element(
          "button",
          {
            type: "button",
            className: "small",
            title: label,
            attributes: { "aria-label": `${label} ${job.name}` },
            on: { click: () => run(remove) },
          },
          sign("remove"),
        ),
      ),
      running ? element("progress", { max: 1, value: part, attributes: { "aria-label": `Progress of ${job.name}` } }) : null,
    );
  }
}
