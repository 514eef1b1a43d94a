// The pictures that are shown while the pointer moves along a clip: of the strip that lies in the archive (a JPEG of
// small pictures and a WebVTT file that tells for which time which of them stands), else single ones of the smallest
// proxy.

export class Strip {
  #clip;
  #stills;
  #cues = [];
  #image = null;

  /** `url` is the address of an embedded strip's WebVTT, or null. */
  constructor(clip, stills, url) {
    this.#clip = clip;
    this.#stills = stills;
    this.loaded = url ? this.#load(url).catch(() => (this.#cues = [])) : Promise.resolve(); // without it the proxy serves
  }

  async #load(url) {
    const answer = await fetch(url);
    if (!answer.ok) return;
    const cues = parseCues(await answer.text());
    if (!cues.length) return;
    const image = new Image();
    image.src = new URL(cues[0].image, new URL(url, location.href)).href;
    await image.decode();
    this.#image = image;
    this.#cues = cues;
  }

  /** Draw the picture for a frame into a canvas; resolves to whether there was one. */
  async draw(frame, canvas) {
    const context = canvas.getContext("2d");
    if (this.#cues.length) {
      const seconds = ((frame + 0.5) * this.#clip.rate.denominator) / this.#clip.rate.numerator;
      const { left, top, width, height } = this.#cues.findLast((cue) => cue.begin <= seconds) ?? this.#cues[0];
      Object.assign(canvas, { width, height });
      context.drawImage(this.#image, left, top, width, height, 0, 0, width, height);
      return true;
    }
    const picture = await this.#stills.of(this.#clip, frame);
    if (!picture) return false;
    Object.assign(canvas, { width: picture.width, height: picture.height });
    context.drawImage(picture, 0, 0);
    return true;
  }
}

/** {begin (seconds), image, left, top, width, height} of each cue "IMAGE#xywh=…". */
export function parseCues(text) {
  const cues = [];
  for (const block of text.split(/\r?\n\r?\n/)) {
    const time = /^(?:(\d+):)?(\d\d):(\d\d\.\d{3}) -->/m.exec(block);
    const place = /^(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)\s*$/m.exec(block);
    if (!time || !place) continue;
    const begin = (Number(time[1] ?? 0) * 60 + Number(time[2])) * 60 + Number(time[3]);
    const [left, top, width, height] = place.slice(2).map(Number);
    cues.push({ begin, image: place[1], left, top, width, height });
  }
  return cues;
}
