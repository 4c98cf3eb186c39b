// Sends the sound of a room to the server and takes its events, also over lost connections.
//
// Positions are samples since the room was opened. The server's stream may come to an end while the
// room goes on: then another follows, and each is a part with a position of its own.

import { ApiError } from "../errors.js";
import { askForKey, hasKeyIfNeeded } from "../key.js";
import { Backlog } from "./backlog.js";
import { openSocket } from "./socket.js";

const KEPT_S = 300; // sound that is kept while it cannot be sent
const ASK_MS = 2000; // so often the server is asked how much it has
const SILENT_MS = 15_000; // a server that says nothing for so long is not there
const BUFFERED_BYTES = 1 << 19; // what the browser may hold that has not gone out
const RETRY_MS = [500, 1000, 2000, 4000];
const PATIENCE_MS = 20_000; // so long the last words are waited for without a connection

/**
 * A stream of sound. `query` has the options of /v1/live, `rate` is in samples a second.
 *
 * on.state(state, {error, retryAt})   connecting, listening, lost, busy, finishing, ended, failed;
 *                                     retryAt in milliseconds of performance.now()
 * on.event(event, part, offset_s)     an event of the server's stream `part`, which began offset_s
 *                                     after the room was opened
 */
export class SpokenStream {
  constructor(query, rate, on) {
    this.query = query;
    this.rate = rate;
    this.on = on;
    this.backlog = new Backlog(KEPT_S * rate);
    this.part = null; // {session, offset, lastSeq} of the server's stream
    this.hasBegun = false; // whether there has been one
    this.socket = null;
    this.sent = 0; // one past the last sample that was sent
    this.n_tries = 0;
    this.isFinishing = false;
    this.isOver = false;
    addEventListener("online", this.#onOnline);
    addEventListener("offline", this.#onOffline);
    this.#connect();
  }

  /** Send a block of samples, or keep it until it can be sent. */
  send(block) {
    if (this.isFinishing) return;
    this.backlog.add(block);
    this.#pump();
  }

  /** Nothing more is said: have the last words, then end. */
  finish() {
    this.isFinishing = true;
    this.finishBy = performance.now() + PATIENCE_MS;
    if (this.isOver) return;
    if (!this.hasBegun) return this.#end("ended");
    this.on.state("finishing", {});
    this.#pump();
  }

  /** The page is being left: let others in the room know at once. */
  leave() {
    if (this.isReady && this.socket) this.#command("finish");
  }

  #onOnline = () => {
    if (!this.socket && this.timer) this.#connect();
  };

  #onOffline = () => this.socket && this.#lose();

  async #connect() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.isReady = false; // until the server has said how much it has
    if (!(await hasKeyIfNeeded())) return this.#end("failed", new ApiError(401));
    const on = { message: (message) => this.#take(message), close: () => this.#lose() };
    if (!this.hasBegun) this.on.state("connecting", {});
    let socket;
    try {
      socket = await openSocket(this.#path(), on);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return this.#refused(error);
    }
    if (this.isOver) return socket.close();
    this.socket = socket;
    this.heardAt = performance.now();
    this.asker = setInterval(() => this.#ask(), ASK_MS);
    this.#pump();
  }

  #path() {
    const resumed = this.part && { session: this.part.session, after: this.part.lastSeq };
    return `v1/live?${new URLSearchParams(resumed ?? this.query)}`;
  }

  #take(message) {
    this.heardAt = performance.now();
    if (message.type === "session") return this.#begin(message);
    if (message.type === "status") {
      this.n_tries = 0;
      return this.#received(message.received_samples);
    }
    if (message.type === "error") return;
    this.part.lastSeq = message.seq;
    this.on.event(message, this.part.session, this.part.offset / this.rate);
    if (message.type === "stream_ended") this.#ended();
  }

  /** The first message: a new stream, or where an earlier one goes on. */
  #begin({ session, received_samples }) {
    // Of a new stream the first sample is the oldest that the server has not had.
    const offset = this.part?.offset ?? this.backlog.start;
    this.part ??= { session, offset, lastSeq: 0 };
    this.hasBegun = true;
    this.isReady = true;
    this.hasSentFinish = false;
    this.sent = offset + received_samples;
    this.#received(received_samples);
    // Too much was said meanwhile: what is left goes into another stream.
    this.isPartOver = this.sent < this.backlog.start;
    this.on.state(this.isFinishing ? "finishing" : "listening", {});
    this.#pump();
  }

  #received(n_samples) {
    this.backlog.forget(this.part.offset + n_samples);
    this.#pump();
  }

  /** Send what can be sent now. */
  #pump() {
    if (!this.socket || !this.isReady || this.hasSentFinish) return;
    while (!this.isPartOver && this.socket.waiting() < BUFFERED_BYTES) {
      const block = this.backlog.next(this.sent);
      if (!block) break;
      this.socket.send(block);
      this.sent += block.length;
    }
    if (this.isPartOver || (this.isFinishing && this.sent === this.backlog.end)) {
      this.#command("finish");
      this.hasSentFinish = true;
    }
  }

  #command(type) {
    this.socket.send(JSON.stringify({ type }));
  }

  #ask() {
    if (performance.now() - this.heardAt > SILENT_MS) this.#lose();
    else if (this.isReady && !this.hasSentFinish) this.#command("status");
    this.#pump();
  }

  /** The server's stream is over: as was asked for, or by itself, as when the server stops. */
  #ended() {
    const isAll = this.isFinishing && this.sent === this.backlog.end;
    this.#disconnect();
    this.isReady = false;
    this.backlog.forget(this.sent);
    this.part = null;
    if (isAll) this.#end("ended");
    else this.#retry("lost", new ApiError(0), this.#pause_ms());
  }

  #lose() {
    this.#disconnect();
    if (!this.isOver) this.#retry("lost", new ApiError(0), this.#pause_ms());
  }

  async #refused(error) {
    if (this.isOver) return;
    if (error.asksForKey) {
      if (await askForKey({ wasWrong: true })) this.#connect();
      else this.#end("failed", error);
    } else if (error.status === 404 && this.part) {
      // Away for too long: what the server has not had goes into another stream.
      this.part = null;
      this.#retry("lost", error, 0);
    } else if (error.passes) {
      this.#retry("busy", error, (error.retryAfter_s ?? 5) * 1000);
    } else if (error.status === 0 || (error.status === 409 && this.hasBegun)) {
      this.#retry("lost", error, this.#pause_ms());
    } else this.#end("failed", error);
  }

  #pause_ms() {
    const pause_ms = RETRY_MS[Math.min(this.n_tries, RETRY_MS.length - 1)];
    this.n_tries += 1;
    return pause_ms;
  }

  #retry(state, error, wait_ms) {
    if (this.isFinishing && performance.now() > this.finishBy) return this.#end("ended");
    const retryAt = performance.now() + wait_ms;
    this.on.state(this.isFinishing ? "finishing" : state, { error, retryAt });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#connect(), wait_ms);
  }

  #disconnect() {
    clearInterval(this.asker);
    this.socket?.close();
    this.socket = null;
  }

  #end(state, error = null) {
    this.isOver = true;
    clearTimeout(this.timer);
    this.#disconnect();
    removeEventListener("online", this.#onOnline);
    removeEventListener("offline", this.#onOffline);
    this.on.state(state, { error });
  }
}
