// The boxes of MP4 (ISO/IEC 14496-12) that a player reads itself: moov for the codecs, sidx for where the fragments lie,
// moof for when each of a fragment's pictures is shown. All functions take a Uint8Array and raise FormatError.

export class FormatError extends Error {}

const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** {kind, start, body, end} of the boxes in bytes `from`…`to`; the last one may end behind what is there. */
export function* boxes(bytes, from = 0, to = bytes.length) {
  const data = view(bytes);
  for (let start = from; start + 8 <= to;) {
    let size = data.getUint32(start);
    let body = start + 8;
    const kind = String.fromCharCode(...bytes.subarray(start + 4, start + 8));
    if (size === 1) {
      if (start + 16 > to) return;
      size = Number(data.getBigUint64(start + 8));
      body = start + 16;
    }
    if (size < body - start) throw new FormatError(`A box ${kind} of ${size} bytes makes no sense.`);
    yield { kind, start, body, end: start + size };
    start += size;
  }
}

function child(bytes, box, kind, skip = 0) {
  for (const found of boxes(bytes, box.body + skip, Math.min(box.end, bytes.length))) if (found.kind === kind) return found;
  return null;
}

function descend(bytes, box, ...kinds) {
  return kinds.reduce((found, kind) => found && child(bytes, found, kind), box);
}

/**
 * What stands before a file's first fragment: {init, codecs, track, sidx}, where `init` is how many bytes describe the tracks,
 * `track` the picture's {id, duration, timescale} and `sidx` what `readSidx` gives. Where `bytes`, the file's beginning, is too
 * short: {need} bytes.
 */
export function readHead(bytes) {
  return sensible(() => headOf(bytes));
}

/** What reads behind the end of a box makes no sense of it. */
function sensible(read) {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) throw new FormatError("The file's tables make no sense.");
    throw error;
  }
}

function headOf(bytes) {
  let tracks = null;
  let init = 0;
  for (const box of boxes(bytes)) {
    if (box.kind === "moof" || box.kind === "mdat") break;
    if (box.kind === "moov" || box.kind === "sidx") {
      if (box.end > bytes.length) return { need: box.end + 8 };
    }
    if (box.kind === "moov") {
      tracks = readTracks(bytes, box);
      init = box.end;
    }
    if (box.kind === "sidx" && tracks) {
      return { init, codecs: tracks.codecs, track: tracks.picture, sidx: readSidx(bytes, box) };
    }
    if (box.end + 8 > bytes.length) return { need: box.end + 8 };
  }
  throw new FormatError("The file has no index of fragments (sidx) before the first.");
}

/** The picture's {id, duration, timescale}, of a file's beginning that has its moov. */
export function pictureTrack(bytes) {
  for (const box of boxes(bytes)) if (box.kind === "moov") return readTracks(bytes, box).picture;
  throw new FormatError("The file's tables (moov) are not at its beginning.");
}

function readTracks(bytes, moov) {
  const data = view(bytes);
  const codecs = [];
  let picture = null;
  for (const trak of boxes(bytes, moov.body, moov.end)) {
    if (trak.kind !== "trak") continue;
    const mdia = child(bytes, trak, "mdia");
    const stsd = mdia && descend(bytes, mdia, "minf", "stbl", "stsd");
    const entry = stsd && boxes(bytes, stsd.body + 8, stsd.end).next().value;
    if (entry?.kind === "avc1") {
      const config = child(bytes, entry, "avcC", 78);
      if (!config) throw new FormatError("The picture has no configuration (avcC).");
      const hex = [...bytes.subarray(config.body + 1, config.body + 4)].map((byte) => byte.toString(16).padStart(2, "0"));
      codecs.unshift(`avc1.${hex.join("")}`);
      const [tkhd, mdhd] = [child(bytes, trak, "tkhd"), child(bytes, mdia, "mdhd")];
      const id = data.getUint32(tkhd.body + (bytes[tkhd.body] ? 20 : 12));
      picture = { id, timescale: data.getUint32(mdhd.body + (bytes[mdhd.body] ? 20 : 12)), duration: 0 };
    } else if (entry?.kind === "mp4a") {
      codecs.push(`mp4a.40.${audioObjectType(bytes, child(bytes, entry, "esds", 28))}`);
    }
  }
  if (!picture) throw new FormatError("The file has no H.264 picture.");
  const mvex = child(bytes, moov, "mvex");
  for (const trex of mvex ? boxes(bytes, mvex.body, mvex.end) : []) {
    if (trex.kind === "trex" && data.getUint32(trex.body + 4) === picture.id) picture.duration = data.getUint32(trex.body + 12);
  }
  return { codecs: codecs.join(","), picture };
}

/** Of the DecoderSpecificInfo (ISO/IEC 14496-1, 7.2.6.7) in the ES descriptor. */
function audioObjectType(bytes, esds) {
  const ends = esds ? esds.end : 0;
  for (let at = esds ? esds.body + 4 : 0; at < ends;) {
    const tag = bytes[at++];
    while (at < ends && bytes[at] & 0x80) at += 1;
    const length = bytes[at++];
    if (tag === 3)
      at += 3; // into the ES descriptor, behind its identifier and flags (none of ours has more)
    else if (tag === 4)
      at += 13; // into the decoder's configuration
    else if (tag === 5) return bytes[at] >> 3;
    else at += length;
  }
  throw new FormatError("The sound is not AAC.");
}

/** {timescale, first, offsets, times}: 8.16.3. Offsets are the file's, both lists have one entry more than fragments. */
export function readSidx(bytes, box) {
  const data = view(bytes);
  const wide = bytes[box.body] === 1;
  const timescale = data.getUint32(box.body + 8);
  const time = wide ? Number(data.getBigUint64(box.body + 12)) : data.getUint32(box.body + 12);
  const first = wide ? Number(data.getBigUint64(box.body + 20)) : data.getUint32(box.body + 16);
  let at = box.body + (wide ? 28 : 20) + 2;
  const count = data.getUint16(at);
  at += 2;
  if (!count || !timescale || at + 12 * count > box.end) throw new FormatError("The index of fragments makes no sense.");
  const offsets = [box.end + first];
  const times = [time];
  for (let entry = 0; entry < count; entry += 1, at += 12) {
    const size = data.getUint32(at);
    if (size >>> 31) throw new FormatError("The index of fragments leads to further ones.");
    offsets.push(offsets.at(-1) + size);
    times.push(times.at(-1) + data.getUint32(at + 4));
  }
  return { timescale, offsets, times };
}

/** When each picture of a fragment begins, in ticks, and when the last one ends; in the order shown. */
export function pictureTimes(bytes, track) {
  return sensible(() => timesOf(bytes, track));
}

function timesOf(bytes, track) {
  const moof = boxes(bytes).next().value;
  if (moof?.kind !== "moof" || moof.end > bytes.length) throw new FormatError("A fragment does not begin with its table (moof).");
  const data = view(bytes);
  for (const traf of boxes(bytes, moof.body, moof.end)) {
    const tfhd = traf.kind === "traf" && child(bytes, traf, "tfhd");
    if (!tfhd || data.getUint32(tfhd.body + 4) !== track.id) continue;
    const flags = data.getUint32(tfhd.body) & 0xffffff;
    const skipped = (flags & 1 ? 8 : 0) + (flags & 2 ? 4 : 0);
    const usual = flags & 8 ? data.getUint32(tfhd.body + 8 + skipped) : track.duration;
    const tfdt = child(bytes, traf, "tfdt");
    let decoded = bytes[tfdt.body] ? Number(data.getBigUint64(tfdt.body + 4)) : data.getUint32(tfdt.body + 4);
    const shown = [];
    for (const trun of boxes(bytes, traf.body, traf.end)) {
      if (trun.kind !== "trun") continue;
      const has = data.getUint32(trun.body) & 0xffffff;
      const step = [0x100, 0x200, 0x400, 0x800].reduce((sum, flag) => sum + (has & flag ? 4 : 0), 0);
      let at = trun.body + 8 + (has & 1 ? 4 : 0) + (has & 4 ? 4 : 0);
      for (let count = data.getUint32(trun.body + 4); count > 0; count -= 1, at += step) {
        shown.push(decoded + (has & 0x800 ? data.getInt32(at + step - 4) : 0));
        decoded += has & 0x100 ? data.getUint32(at) : usual;
      }
    }
    return [...shown.sort((one, other) => one - other), decoded];
  }
  throw new FormatError("A fragment has no picture.");
}
