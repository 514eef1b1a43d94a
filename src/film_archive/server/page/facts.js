// A clip's facts in the words of the trade.

import { parseRate, timecodeOf } from "./timecode.js";

export function sizeText(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

export function rateText(media) {
  const rate = parseRate(media?.frame_rate);
  if (!rate) return "";
  const value = rate.numerator / rate.denominator;
  const text = Number.isInteger(value) ? String(value) : value.toFixed(3).replace(/0+$/, "");
  return media.drop_frame ? `${text} DF` : text;
}

export function durationText(media) {
  const rate = parseRate(media?.frame_rate);
  if (!rate || media.frames == null) return "";
  const seconds = (media.frames * rate.denominator) / rate.numerator;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${String(Math.floor(seconds % 60)).padStart(2, "0")} min`;
}

const CODECS = {
  prores_422: "ProRes",
  prores_4444: "ProRes",
  prores_raw: "ProRes",
  dnxhd: "DNxHD",
  dnxhr: "DNxHR",
  h264: "H.264",
  h265: "H.265",
  jpeg2000: "JPEG 2000",
  mjpeg: "Motion JPEG",
  mpeg2: "MPEG-2",
  uncompressed: "uncompressed",
  xocn: "X-OCN",
  arriraw: "ARRIRAW",
  r3d: "R3D",
  braw: "Blackmagic RAW",
  crm: "Cinema RAW Light",
  dpx: "DPX",
  exr: "OpenEXR",
  tiff: "TIFF",
  jpeg: "JPEG",
  png: "PNG",
};

/** A codec with its profile, as the trade says it. */
export function codecText(media) {
  const { codec, profile } = media ?? {};
  const name = CODECS[codec] ?? codec ?? "";
  return !profile || profile.startsWith(name) ? (profile ?? name) : `${name} ${profile}`;
}

/** A proxy's size as its name, if it has one, and in pixels. */
export function proxyText(proxy) {
  const pixels = `${proxy.width}×${proxy.height}`;
  return /^\d/.test(proxy.size) ? pixels : `${proxy.size} ${pixels}`;
}

/** Two lines that tell clips apart: what it is, and where it stands in time. */
export function summary(member) {
  const media = member.media;
  if (!media) return [sizeText(member.size), ""];
  const size = media.width ? `${media.width}×${media.height}` : "";
  const kind = codecText(media) || media.container;
  const time = [media.start_timecode, rateText(media), durationText(media)];
  return [[kind, size].filter(Boolean).join(" · "), time.filter(Boolean).join(" · ")];
}

/** [name, value] of all that is known. */
export function factsOf(member) {
  const media = member.media ?? {};
  const last = media.frames ? timecodeOf(media, media.frames - 1) : null;
  const codec = codecText(media);
  const audio = (media.audio ?? []).map((track) => `${track.channels} ch ${track.codec} ${track.sample_rate / 1000} kHz`);
  const color = media.color ?? {};
  const tags = [color.primaries, color.transfer, color.matrix, color.range].filter(Boolean).join(" / ");
  const digests = Object.entries(member.digests ?? {}).map(([name, value]) => `${name} ${value}`);
  const facts = [
    ["Codec", media.container ? [codec, media.container].filter(Boolean).join(" in ") : null],
    ["Picture", media.width ? `${media.width} × ${media.height}` : null],
    ["Rate", rateText(media) ? `${rateText(media)} fps` : null],
    ["Frames", media.frames == null ? null : `${media.frames} (${durationText(media)})`],
    ["First", media.start_timecode && `${media.start_timecode} (${media.start_source ?? "unknown source"})`],
    ["Last", last],
    ["Reel", media.reel],
    ["Scan", media.scan],
    ["Bit depth", media.bit_depth],
    ["Color", color.space ?? (tags || null)],
    ["Sound", audio.length ? audio.join(", ") : null],
    ["Recorded", media.created],
    ["Size", sizeText(member.size)],
    ["Digest", digests.join(", ") || null],
    ["Note", media.note],
  ];
  return facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
}
