// Short notices at the foot of the page, and words for screen readers alone.

import { byId, make } from "./dom.js";

const SHOWN_MS = 7000;

/** Show a notice for a few seconds, with a button if there is something to do about it. */
export function notice(words, action = null) {
  const close = () => toast.remove();
  const toast = make("div", { className: "toast" }, make("p", { textContent: words }));
  if (action) {
    const act = () => {
      close();
      action.act();
    };
    toast.append(make("button", { type: "button", textContent: action.words, onclick: act }));
  }
  byId("toasts").append(toast);
  let timer = setTimeout(close, SHOWN_MS);
  // Who reads it or is about to press its button is not hurried.
  const hold = () => clearTimeout(timer);
  const letGo = () => {
    hold();
    timer = setTimeout(close, SHOWN_MS);
  };
  toast.addEventListener("pointerenter", hold);
  toast.addEventListener("focusin", hold);
  toast.addEventListener("pointerleave", letGo);
  toast.addEventListener("focusout", letGo);
}

/** Have screen readers say something that the eye sees anyway. */
export function announce(words) {
  byId("announcer").textContent = words;
}
