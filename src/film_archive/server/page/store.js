// What the browser keeps for the page: its localStorage or, where it keeps nothing for us, this page's memory.

function usable() {
  try {
    localStorage.setItem("film-archive:kept", "");
    localStorage.removeItem("film-archive:kept");
    return localStorage;
  } catch {
    return null; // cookies and the like are turned off, or there is no room
  }
}

function memory() {
  const kept = new Map();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
}

export const store = usable() ?? memory();
