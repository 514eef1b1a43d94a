// The page: its parts, and what connects them. The address's fragment names archive, clip and frame.

import * as api from "./api.js";
import { Browser } from "./browser.js";
import { element, find } from "./dom.js";
import { JobsPanel } from "./jobs_panel.js";
import { actionOf, KEYS, keyText } from "./keys.js";
import { Marks, Selects } from "./marks.js";
import { run, tell } from "./messages.js";
import { player } from "./screen.js";
import { SelectsPanel } from "./selects_panel.js";
import { Stills } from "./stills.js";
import { store } from "./store.js";
import { applyTheme, nextTheme, theme } from "./theme.js";
import { Viewer } from "./viewer.js";

applyTheme();
const stills = new Stills();
const marks = new Marks();
const key = `film-archive:selects:${location.pathname}`;
const selects = new Selects(store, key);
const browser = new Browser(stills);
const viewer = new Viewer(player, marks, selects, stills);
const panel = new SelectsPanel(selects, stills);
const jobs = new JobsPanel();
let going = 0; // of the address that is followed

// Where we are

const address = () => new URLSearchParams(location.hash.slice(1));

/** The address of a clip, or of the archive alone. */
function addressOf(archive, clip = null, frame = null) {
  return `#${new URLSearchParams({ archive, ...(clip === null ? {} : { clip }), ...(frame === null ? {} : { frame }) })}`;
}

/** What is named comes first; the lists around it when its picture is there. */
async function start() {
  const named = address();
  if (named.get("archive") !== null && named.get("clip") !== null) {
    await follow().catch((error) => {
      if (error.status === 401) throw error;
      tell(error.message); // an address that has grown old; what there is can be chosen below
      document.body.classList.remove("viewing");
    });
    await browser.start();
    browser.mark();
  } else if ((await browser.start()).length) await follow();
  const { right } = await api.session();
  panel.mayExtract = right === "jobs";
  panel.draw();
  await jobs.look();
}

/** Show what the address names: a clip, or the clips of an archive. */
async function follow() {
  const mine = ++going;
  const wanted = address();
  const archive = wanted.get("archive") ?? find("archives").querySelector("a")?.dataset.path;
  if (archive === undefined) return;
  const path = wanted.get("clip");
  document.body.classList.toggle("viewing", path !== null);
  find("trail").textContent = archive;
  find("trail").href = addressOf(archive);
  document.title = `${path?.split("/").at(-1) ?? archive} – film-archive`;
  if (path === null) {
    viewer.close();
    browser.choose(null);
    if (!find("panel-clip").hidden) openTab("selects");
    await browser.open(archive);
    return;
  }
  if (viewer.clip?.path === path && viewer.clip.archive === archive) {
    if (wanted.has("frame")) player.seek(Number(wanted.get("frame")) || 0);
    return;
  }
  const clip = await browser.clip(archive, path);
  if (mine !== going) return;
  if (!viewer.clip && find("jobs-count").textContent === "" && !selects.list.length) openTab("clip");
  browser.choose(path);
  const shown = show(clip, wanted);
  stills.after(shown);
  await shown;
  await browser.open(archive);
  if (mine !== going) return;
  browser.choose(path);
  viewer.strip(await browser.embedded("strip", clip));
}

let pending = null; // marks of a select that is being opened

function show(clip, wanted) {
  const options = { frame: Number(wanted.get("frame")) || 0, marks: pending };
  pending = null;
  return viewer.open(clip, options);
}

panel.addEventListener("open", ({ select }) => {
  const there = viewer.clip?.path === select.path && viewer.clip.archive === select.archive;
  if (there) {
    marks.set(select.first, select.end);
    player.seek(select.first);
    return;
  }
  pending = select;
  location.hash = addressOf(select.archive, select.path, select.first);
});
panel.addEventListener("queued", () => {
  openTab("jobs");
  run(() => jobs.look());
});
viewer.addEventListener("selected", () => openTab("selects"));
browser.addEventListener("work", ({ work }) => run(work));
addEventListener("hashchange", () => run(follow));
addEventListener("storage", (event) => selects.changedElsewhere(event.key, event.newValue));

// Tabs

const TABS = ["clip", "selects", "jobs"];

function openTab(name) {
  for (const tab of TABS) {
    find(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
    find(`tab-${tab}`).tabIndex = tab === name ? 0 : -1;
    find(`panel-${tab}`).hidden = tab !== name;
  }
}

for (const tab of TABS) {
  find(`tab-${tab}`).addEventListener("click", () => openTab(tab));
  find(`tab-${tab}`).addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    const other = TABS[(TABS.indexOf(tab) + by + TABS.length) % TABS.length];
    openTab(other);
    find(`tab-${other}`).focus();
    event.stopPropagation();
  });
}

// Keys

const page = {
  search: () => find("search").focus(),
  browse: () => (browser.archive === null ? null : (location.hash = addressOf(browser.archive))),
  help: () => (find("help").open ? find("help").close() : find("help").showModal()),
  clip: (by) => {
    const clip = browser.neighbour(by);
    if (clip) location.hash = addressOf(clip.archive, clip.path);
  },
};
let standing = false; // K is held

function pressed(event) {
  const typing = event.target.matches("input, select, textarea");
  if (typing && event.key === "Escape") event.target.blur();
  if (typing || (document.querySelector("dialog[open]") && event.key !== "?")) return;
  const action = actionOf(event);
  const onControl = [" ", "Enter"].includes(event.key) && event.target.matches("button, a, summary");
  const onTabs = event.target.matches("[role=tab]") && event.key.startsWith("Arrow");
  if (!action || onControl || onTabs) return;
  const inPage = Object.hasOwn(page, action.name);
  if (!inPage && !viewer.clip) return;
  event.preventDefault();
  if (action.name === "pause") standing = true;
  if (inPage) page[action.name](action.argument);
  else if (action.name === "shuttle" && standing) viewer.step(action.argument);
  else if (!(event.repeat && ["shuttle", "toggle"].includes(action.name))) viewer[action.name](action.argument);
}

addEventListener("keydown", pressed);
addEventListener("keyup", (event) => {
  if (event.key.toLowerCase() === "k") standing = false;
});

// The rest of the page

function writeHelp() {
  const row = ([keys, what]) =>
    element(
      "div",
      {},
      element("dt", {}, ...keys.map((one) => element("kbd", { textContent: keyText(one) }))),
      element("dd", { textContent: what }),
    );
  const groups = KEYS.map(([name, rows]) =>
    element("section", {}, element("h3", { textContent: name }), element("dl", {}, ...rows.map(row))),
  );
  find("keys").replaceChildren(...groups);
}

function nameTheme(chosen) {
  const text = { system: "Dark or light as the system", dark: "Dark", light: "Light" }[chosen];
  find("theme").setAttribute("aria-label", `Colours: ${text}`);
  find("theme").title = `Colours: ${text}`;
}

writeHelp();
nameTheme(theme());
openTab("clip");
panel.draw();
find("theme").addEventListener("click", () => {
  nameTheme(nextTheme());
  viewer.refresh();
});
find("help-button").addEventListener("click", page.help);
find("close-help").addEventListener("click", () => find("help").close());
run(start);
