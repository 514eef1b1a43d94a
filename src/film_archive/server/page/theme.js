// Dark or light: as the system has it, or as somebody chose here, which the browser keeps.

import { store } from "./store.js";

const KEY = "film-archive:theme";
const NAMES = ["system", "dark", "light"];

export function theme() {
  const kept = store.getItem(KEY);
  return NAMES.includes(kept) ? kept : "system";
}

/** Show the page as it was chosen. */
export function applyTheme() {
  const chosen = theme();
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}

/** Go to the next choice; returns its name. */
export function nextTheme() {
  const chosen = NAMES[(NAMES.indexOf(theme()) + 1) % NAMES.length];
  store.setItem(KEY, chosen);
  applyTheme();
  return chosen;
}
