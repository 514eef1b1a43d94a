// The page: archives, clips, the player, and what connects them. The address's fragment names archive and clip.

import * as api from "./api.js";
import { factsOf, sizeText, summary } from "./facts.js";
import { Player } from "./player.js";
import { parseRate, timecodeOf } from "./timecode.js";

const find = (id) => document.getElementById(id);
const player = new Player(find("video"));

let archive = null; // its path
let clips = [];
let posters = new Map(); // original's path → address
let next = null; // where the list of clips goes on
let clip = null;
let generation = 0; // of what is shown; an answer to an older question is dropped

// Archives and clips

async function start() {
  const { archives, complete } = await api.archives();
  const options = archives.map(({ path }) => element("option", { value: path, textContent: path }));
  find("archives").replaceChildren(...options);
  if (!archives.length) {
    tell("There are no archives below what is served; make one with “film-archive create”.");
  } else {
    if (!complete) tell("There are more archives than are listed here.");
    await follow();
  }
}

/** Show what the address names, or the first there is. */
async function follow() {
  const named = new URLSearchParams(location.hash.slice(1));
  const paths = [...find("archives").options].map((option) => option.value);
  const wanted = paths.includes(named.get("archive")) ? named.get("archive") : paths[0];
  if (wanted !== archive) await openArchive(wanted);
  const path = named.get("clip");
  const member = clips.find((one) => one.path === path) ?? clips.find((one) => one.proxies.length) ?? clips[0];
  if (member && member !== clip) openClip(member);
}

async function openArchive(path) {
  const mine = ++generation;
  const [about, page, pictures] = await Promise.all([
    api.archive(path),
    api.members(path, "original"),
    api.members(path, "poster"),
  ]);
  if (mine !== generation) return;
  archive = path;
  clips = page.members;
  next = page.next;
  clip = null;
  posters = new Map(pictures.members.filter((one) => one.of && one.url).map((one) => [one.of, one.url]));
  find("archives").value = path;
  find("archive-facts").textContent = about.foreign
    ? "a zip of another program"
    : `${about.members} members, ${sizeText(about.bytes)}, generation ${about.generation}`;
  find("filter").value = "";
  listClips();
}

function listClips() {
  const words = find("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = clips.filter((member) => {
    const text = `${member.path} ${member.media?.reel ?? ""} ${summary(member).join(" ")}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  find("clips").replaceChildren(...shown.map(clipEntry));
  find("more").hidden = next === null;
  find("no-clips").hidden = shown.length > 0;
  find("no-clips").textContent = clips.length ? "No clip matches." : "This archive holds no clips.";
}

function clipEntry(member) {
  const name = member.path.split("/").at(-1);
  const picture = posters.has(member.path)
    ? element("img", { src: posters.get(member.path), alt: "", loading: "lazy" })
    : element("span", { className: "blank", textContent: (member.media?.container ?? name.split(".").at(-1)).slice(0, 5) });
  const button = element(
    "button",
    { type: "button", title: member.path },
    element("span", { className: "thumb" }, picture),
    element(
      "span",
      { className: "lines" },
      element("strong", { textContent: name }),
      ...summary(member).map((line) => element("span", { className: "quiet", textContent: line })),
    ),
  );
  if (member === clip) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => openClip(member));
  return element("li", {}, button);
}

async function showMore() {
  const mine = generation;
  const page = await api.members(archive, "original", next);
  if (mine !== generation) return;
  clips.push(...page.members);
  next = page.next;
  listClips();
}

// One clip

function openClip(member) {
  clip = member;
  history.replaceState(null, "", `#${new URLSearchParams({ archive, clip: member.path })}`);
  listClips();
  find("clip-name").textContent = member.path;
  find("facts").replaceChildren(
    ...factsOf(member).map(([name, value]) =>
      element("div", {}, element("dt", { textContent: name }), element("dd", { textContent: value })),
    ),
  );
  find("downloads").replaceChildren(
    ...(member.url ? [element("a", { href: member.url, download: "", textContent: "Download the original" })] : []),
  );
  const options = member.proxies.map((proxy, index) =>
    element("option", { value: index, textContent: `${proxy.size} ${proxy.width}×${proxy.height}` }),
  );
  find("proxies").replaceChildren(...options);
  find("proxies").disabled = options.length < 2;
  find("proxies").value = fitting(member.proxies);
  play(0);
}

/** The smallest proxy that covers the place where it is shown, or the largest. */
function fitting(proxies) {
  const pixels = find("video").clientWidth * devicePixelRatio;
  const index = proxies.findIndex((proxy) => proxy.width >= pixels);
  return index >= 0 ? index : proxies.length - 1;
}

async function play(at) {
  const mine = clip;
  const proxy = clip.proxies[find("proxies").value];
  const rate = parseRate(clip.media?.frame_rate);
  const playable = Boolean(proxy && rate);
  find("screen-note").textContent = playable ? "" : "No proxy of this clip is in the archive.";
  find("scrub").disabled = !playable;
  find("scrub").max = playable ? Math.max(0, proxy.frames - 1) : 0;
  for (const id of ["first", "back", "play", "on", "last"]) find(id).disabled = !playable;
  if (!playable) {
    player.unload();
    showFrame();
    return;
  }
  find("video").style.aspectRatio = `${proxy.width} / ${proxy.height}`;
  try {
    await player.load(proxy.url, rate, proxy.frames, at);
  } catch (error) {
    if (mine === clip) find("screen-note").textContent = error.message;
  }
}

function showFrame() {
  const shown = player.frames > 0;
  const label = shown && clip ? timecodeOf(clip.media, player.frame) : null;
  find("timecode").textContent = label ?? "--:--:--:--";
  find("frame").textContent = shown ? `${player.exact ? "" : "about "}frame ${player.frame} of ${player.frames}` : "";
  find("scrub").value = player.frame;
  find("scrub").setAttribute("aria-valuetext", label ?? `frame ${player.frame}`);
}

function showState() {
  find("play").classList.toggle("playing", player.playing);
  find("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
}

// Keys

function pressed(event) {
  const inText = event.target.matches("input[type=search], input[type=password], select");
  if (inText || event.altKey || event.ctrlKey || event.metaKey) return;
  const second = parseRate(clip?.media?.frame_rate)?.nominal ?? 1;
  const step = event.shiftKey ? second : 1;
  const actions = {
    " ": () => player.toggle(),
    ArrowLeft: () => player.step(-step),
    ArrowRight: () => player.step(step),
    ",": () => player.step(-1),
    ".": () => player.step(1),
    Home: () => player.seek(0),
    End: () => player.seek(player.frames - 1),
  };
  const action = actions[event.key];
  if (!action || (event.key === " " && event.target.matches("button, a"))) return;
  event.preventDefault();
  action();
}

// Beginnings

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function tell(text) {
  find("message").textContent = text;
  find("message").hidden = !text;
}

/** Run something of ours; ask for the token where the server wants it, say all other errors. */
async function run(work) {
  try {
    await work();
  } catch (error) {
    if (error instanceof api.ApiError && error.status === 401) {
      find("sign-in").showModal();
    } else {
      tell(error.message);
    }
  }
}

async function signIn(event) {
  event.preventDefault();
  try {
    await api.signIn(find("token").value);
    find("token").value = "";
    find("sign-in").close();
    run(start);
  } catch (error) {
    find("sign-in-note").textContent = error.status === 401 ? "That is not the token." : error.message;
  }
}

find("archives").addEventListener("change", () =>
  run(async () => {
    location.hash = new URLSearchParams({ archive: find("archives").value });
  }),
);
addEventListener("hashchange", () => run(follow));
find("filter").addEventListener("input", listClips);
find("more").addEventListener("click", () => run(showMore));
find("proxies").addEventListener("change", () => play(player.frame));
find("scrub").addEventListener("input", () => player.seek(Number(find("scrub").value)));
find("first").addEventListener("click", () => player.seek(0));
find("back").addEventListener("click", () => player.step(-1));
find("play").addEventListener("click", () => player.toggle());
find("on").addEventListener("click", () => player.step(1));
find("last").addEventListener("click", () => player.seek(player.frames - 1));
find("video").addEventListener("click", () => player.toggle());
find("sign-in-form").addEventListener("submit", signIn);
addEventListener("keydown", pressed);
player.addEventListener("frame", showFrame);
player.addEventListener("settled", showFrame);
player.addEventListener("state", showState);
run(start);
