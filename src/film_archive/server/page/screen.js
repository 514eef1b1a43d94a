// Where the picture is, and the player that fills it. This module comes first, with what it needs: the clip that the address
// names is on the screen as soon as it can be, before the page's other parts are there.

import * as api from "./api.js";
import { Clip } from "./clip.js";
import { find } from "./dom.js";
import { begin } from "./early.js";
import { Player } from "./player.js";
import { Throughput } from "./throughput.js";

export const player = new Player(find("video"), new Throughput());

/** Make room for a clip's picture, under its name. */
export function place(clip) {
  find("video").style.aspectRatio = clip.proxies.length ? `${clip.proxies[0].width} / ${clip.proxies[0].height}` : "16 / 9";
  find("clip-name").textContent = clip.path;
}

/** What the player's work on a clip is called that was begun here; it resolves to the frame that it went to. */
export const loadingName = (archive, path) => `loading ${archive}/${path}`;

async function load(archive, path, frame) {
  const { hash } = location;
  const clip = new Clip(archive, await begin(api.memberAddress(archive, path), () => api.member(archive, path)));
  if (!clip.playable || location.hash !== hash) return null;
  document.body.classList.add("viewing");
  place(clip);
  await player.load(clip, frame);
  return frame;
}

const named = new URLSearchParams(location.hash.slice(1));
const [archive, path] = [named.get("archive"), named.get("clip")];
if (archive !== null && path !== null)
  begin(loadingName(archive, path), () => load(archive, path, Number(named.get("frame")) || 0));
