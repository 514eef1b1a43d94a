// SMPTE ST 12-1 counting in whole frames, as film_archive.core.timecode does it. A test compares the two.

/** "24000/1001" as {numerator, denominator, nominal}; null where it is no rate. */
export function parseRate(text) {
  const match = /^(\d+)\/(\d+)$/.exec(text ?? "");
  if (!match || Number(match[2]) === 0) return null;
  const numerator = Number(match[1]);
  const denominator = Number(match[2]);
  const nominal = Math.max(1, Math.floor((2 * numerator + denominator) / (2 * denominator)));
  return { numerator, denominator, nominal };
}

/** Labels that a drop-frame minute leaves out. */
function dropped(nominal) {
  return Math.floor(nominal / 15);
}

export function framesPerDay(nominal, drop) {
  return 86400 * nominal - (drop ? dropped(nominal) * (1440 - 144) : 0);
}

/** Frames since 00:00:00:00 of a label like "01:00:00;00"; null where it is none. */
export function frameOfLabel(label, nominal, drop) {
  const match = /^(\d\d):(\d\d):(\d\d)[:;](\d\d\d?)$/.exec(label ?? "");
  if (!match) return null;
  const [hours, minutes, seconds, frames] = match.slice(1).map(Number);
  const allMinutes = hours * 60 + minutes;
  const count = (allMinutes * 60 + seconds) * nominal + frames;
  return drop ? count - dropped(nominal) * (allMinutes - Math.floor(allMinutes / 10)) : count;
}

/** The label of a frame counted from 00:00:00:00; wraps at 24 hours. */
export function labelOfFrame(frame, nominal, drop) {
  const day = framesPerDay(nominal, drop);
  let count = ((frame % day) + day) % day;
  if (drop) {
    const skipped = dropped(nominal);
    const minute = 60 * nominal - skipped;
    const tens = Math.floor(count / (10 * minute + skipped));
    const rest = count % (10 * minute + skipped);
    count += skipped * 9 * tens;
    if (rest >= 60 * nominal) count += skipped * (1 + Math.floor((rest - 60 * nominal) / minute));
  }
  const frames = count % nominal;
  const seconds = Math.floor(count / nominal);
  const two = (value) => String(value).padStart(2, "0");
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(":");
  return `${clock}${drop ? ";" : ":"}${String(frames).padStart(nominal >= 100 ? 3 : 2, "0")}`;
}

/**
 * What somebody types: {label} (frames since 00:00:00:00) for "01:00:10:12" or, filled from the right as on a deck,
 * "10:12" and "1012"; {distance} for "+12" or "-1:00"; {frame} for "f123"; null for what is none of these, or a label
 * that drop-frame leaves out.
 */
export function readEntry(text, nominal, drop) {
  const typed = text.trim();
  const number = /^f ?(\d{1,9})$/i.exec(typed);
  if (number) return { frame: Number(number[1]) };
  const match = /^([+-]?)((?:\d+[:;., ]){0,3}\d+)$/.exec(typed);
  if (!match) return null;
  const digits = nominal >= 100 ? 3 : 2;
  let fields = match[2].split(/[:;., ]/);
  if (fields.length === 1 && !match[1] && fields[0].length > digits) {
    const rest = fields[0].slice(0, -digits);
    if (rest.length > 6) return null;
    fields = [...(rest.length % 2 ? `0${rest}` : rest).match(/../g), fields[0].slice(-digits)];
  }
  const [frames, seconds = 0, minutes = 0, hours = 0] = fields.reverse().map(Number);
  if (match[1]) {
    const distance = ((hours * 60 + minutes) * 60 + seconds) * nominal + frames;
    return { distance: match[1] === "-" ? -distance : distance };
  }
  if (frames >= nominal || seconds > 59 || minutes > 59 || hours > 23) return null;
  if (drop && frames < dropped(nominal) && seconds === 0 && minutes % 10) return null;
  const two = (value) => String(value).padStart(2, "0");
  const label = `${two(hours)}:${two(minutes)}:${two(seconds)}:${String(frames).padStart(digits, "0")}`;
  return { label: frameOfLabel(label, nominal, drop) };
}

/** The timecode of frame `number` of a clip, or null where the clip has none that can be counted. */
export function timecodeOf(media, number) {
  const rate = parseRate(media?.frame_rate);
  if (!rate || !media.start_timecode || media.start_rate) return null;
  const drop = Boolean(media.drop_frame);
  const start = frameOfLabel(media.start_timecode, rate.nominal, drop);
  return start === null ? null : labelOfFrame(start + number, rate.nominal, drop);
}
