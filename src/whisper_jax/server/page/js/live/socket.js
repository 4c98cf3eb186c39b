// Opens WebSockets of the server, and finds out why one was refused.

import { apiKey, socketKey, whyRefused } from "../api.js";
import { ApiError } from "../errors.js";

const KEY_S = 60; // so long a key for a WebSocket is good: it is used at once
const OPEN_MS = 10_000;

/**
 * Open a WebSocket at a relative address. `on.message(object)` is called for each message,
 * `on.close()` once when the connection is gone. Resolves to {send, close}; throws an ApiError that
 * says why it was refused, with status 0 if there was no answer.
 */
export async function openSocket(path, on) {
  const protocols = await protocolsWithKey();
  const address = new URL(path, document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address, protocols);
  const isOpen = await new Promise((resolve) => {
    const timer = setTimeout(() => socket.close(), OPEN_MS);
    socket.onopen = () => {
      clearTimeout(timer);
      resolve(true);
    };
    socket.onclose = () => {
      clearTimeout(timer);
      resolve(false);
    };
    socket.onmessage = (event) => on.message(JSON.parse(event.data));
  });
  if (!isOpen) throw await whyRefused(path);
  const isOver = () => {
    socket.onclose = null;
    socket.onmessage = null;
    on.close();
  };
  socket.onclose = isOver;
  if (socket.readyState > WebSocket.OPEN) isOver();
  return {
    send: (data) => socket.send(data),
    waiting: () => socket.bufferedAmount,
    // A dead network does not answer to a close: it is over now.
    close: () => {
      socket.onclose = null;
      socket.onmessage = null;
      socket.close();
    },
  };
}

/** Browsers cannot set headers of WebSockets: a key goes along as the name of a protocol. */
async function protocolsWithKey() {
  if (!apiKey()) return [];
  try {
    return ["realtime", `openai-insecure-api-key.${await socketKey(KEY_S)}`];
  } catch (error) {
    throw error instanceof ApiError ? error : new ApiError(0);
  }
}
