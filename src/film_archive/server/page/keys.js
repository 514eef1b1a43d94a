// The keys: what each does, once for the keyboard and for the page that explains it.

/** [keys, what it does, name of the action, argument]; the first keys of a row are those that the help shows. */
export const KEYS = [
  [
    "Play",
    [
      [["space"], "Play, pause", "toggle"],
      [["k"], "Pause; held, J and L go by one frame", "pause"],
      [["l"], "Forwards; again: 2, 4, 8 times", "shuttle", 1],
      [["j"], "Backwards; again: 2, 4, 8 times", "shuttle", -1],
      [["]"], "Faster", "faster", 1],
      [["["], "Slower", "faster", -1],
      [["r"], "Repeat in to out, or the clip", "repeat"],
      [["m"], "Sound on, off", "mute"],
      [["f"], "Full screen", "fullScreen"],
    ],
  ],
  [
    "Go",
    [
      [["ArrowLeft", ","], "One frame back", "step", -1],
      [["ArrowRight", "."], "One frame on", "step", 1],
      [["shift+ArrowLeft", "<"], "One second back", "stepSecond", -1],
      [["shift+ArrowRight", ">"], "One second on", "stepSecond", 1],
      [["Home"], "First frame", "first"],
      [["End"], "Last frame", "last"],
      [["g", "0…9"], "To a timecode: 01:00:10:12, 1012, +12, f240", "jump"],
      [["ArrowUp"], "Clip before", "clip", -1],
      [["ArrowDown"], "Next clip", "clip", 1],
    ],
  ],
  [
    "Select",
    [
      [["i"], "In: this is the first frame", "markIn"],
      [["o"], "Out: this is the last frame", "markOut"],
      [["shift+i"], "To the in point", "toIn"],
      [["shift+o"], "To the last frame before the out point", "toOut"],
      [["x"], "Forget in and out", "clearMarks"],
      [["s", "Enter"], "Add in to out to the selects", "addSelect"],
    ],
  ],
  [
    "Page",
    [
      [["/"], "Search", "search"],
      [["Escape"], "All clips", "browse"],
      [["?"], "These keys", "help"],
    ],
  ],
];

const SIGNS = { space: "space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", shift: "Shift" };

/** How a key is written. */
export function keyText(key) {
  return key
    .split("+")
    .map((part) => SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join(" ");
}

const ACTIONS = new Map(
  KEYS.flatMap(([, rows]) => rows.flatMap(([keys, , name, argument]) => keys.map((key) => [key, { name, argument }]))),
);

/** {name, argument} that a keydown stands for, or null. */
export function actionOf(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return null;
  if (/^[0-9]$/.test(event.key)) return { name: "jump", argument: event.key };
  const plain = event.key === " " ? "space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const shifted = event.shiftKey && (event.key.length > 1 || plain !== plain.toUpperCase());
  return ACTIONS.get(shifted ? `shift+${plain}` : plain) ?? null;
}
