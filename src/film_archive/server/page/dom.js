// Making and finding elements.

export const find = (id) => document.getElementById(id);

/** A new element with properties (`attributes`, `dataset` and `on` are maps) and children. */
export function element(name, properties = {}, ...children) {
  const { attributes = {}, dataset = {}, on = {}, ...others } = properties;
  const made = Object.assign(document.createElement(name), others);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  Object.assign(made.dataset, dataset);
  for (const [key, value] of Object.entries(on)) made.addEventListener(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** One of the page's own signs, by the name of a <symbol> in it. */
export function sign(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  return svg;
}

/** Hand over a file that was made here. */
export function save(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
