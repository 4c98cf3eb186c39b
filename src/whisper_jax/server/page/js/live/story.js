// What is heard in a room, as text: segments in order, from the events of one or more streams.

/**
 * A segment is a plain object:
 *   key                 of the segment, in all the streams of the room
 *   start_s             seconds since the room was opened; null while not known
 *   language            code; "" while not known
 *   committed           text that will stay
 *   tentative           what seems to follow
 *   isDone              whether nothing more comes
 */
export class Story {
  /** `on.changed(segment)`, `on.removed(segment)`, `on.committed(text)` are called. */
  constructor(on) {
    this.on = on;
    this.segments = [];
    this.part = "";
    this.offset_s = 0;
  }

  /** A stream begins: its segments are numbered anew, its times begin at `offset_s`. */
  begin(part, offset_s) {
    if (part === this.part) return;
    this.close();
    this.part = part;
    this.offset_s = offset_s;
  }

  /** Take an event of the stream. */
  take(event) {
    switch (event.type) {
      case "speech_started":
        return this.#change(event.segment, { start_s: this.offset_s + event.start_s });
      case "committed":
        return this.#commit(event);
      case "tentative":
        return this.#change(event.segment, { tentative: event.text });
      case "segment_done":
        return this.#finish(event.segment.id, event.segment.start, event.segment);
      case "room":
        return this.#catchUp(event);
      case "stream_ended":
        return this.close();
    }
  }

  /** Nothing more comes of the stream: what is not committed is gone. */
  close() {
    for (const segment of this.segments.filter((one) => !one.isDone)) this.#settle(segment);
  }

  /** All committed text, as one. */
  text() {
    return this.segments.map((segment) => segment.committed).join("");
  }

  /** The language of the newest segment that has one; "" if none has. */
  language() {
    return this.segments.findLast((segment) => segment.language)?.language ?? "";
  }

  #find(number) {
    const key = `${this.part}:${number}`;
    return this.segments.findLast((segment) => segment.key === key);
  }

  #change(number, values) {
    let segment = this.#find(number);
    if (!segment) {
      const key = `${this.part}:${number}`;
      segment = { key, start_s: null, language: "", committed: "", tentative: "", isDone: false };
      this.segments.push(segment);
    }
    Object.assign(segment, values);
    this.on.changed(segment);
    return segment;
  }

  #commit({ segment: number, text, language }) {
    const committed = (this.#find(number)?.committed ?? "") + text;
    const values = { committed, tentative: "", language: language ?? "" };
    this.#change(number, values);
    this.on.committed(text);
  }

  #finish(number, start_s, { text, language }) {
    const values = { start_s: this.offset_s + start_s, language: language ?? "", committed: text };
    this.#settle(this.#change(number, values));
  }

  #settle(segment) {
    segment.isDone = true;
    segment.tentative = "";
    if (segment.committed.trim()) return this.on.changed(segment);
    this.segments.splice(this.segments.indexOf(segment), 1);
    this.on.removed(segment);
  }

  /** All that a late comer is told, which may be known in part. */
  #catchUp({ segments, under_way }) {
    for (const one of segments) {
      if (!this.#find(one.segment)?.isDone) this.#finish(one.segment, one.start_s, one);
    }
    for (const { segment, committed, tentative } of under_way) {
      this.#change(segment, { committed, tentative });
    }
    const open = new Set(under_way.map(({ segment }) => `${this.part}:${segment}`));
    const gone = this.segments.filter((segment) => !segment.isDone && !open.has(segment.key));
    for (const segment of gone) this.#settle(segment);
  }
}
