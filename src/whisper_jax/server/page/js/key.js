// Asks for the API key where the server wants one.

import { apiKey, keyWorks, setApiKey } from "./api.js";
import { byId } from "./dom.js";

let isNeeded = false;
let asking = null; // the question that is open, which all jobs share

/** Whether a request may be sent without asking the user for anything. */
export function hasKey() {
  return !isNeeded || apiKey() !== "";
}

/** Whether a request may be sent: no key is needed, one is there, or the user gives it now. */
export async function hasKeyIfNeeded() {
  return hasKey() || askForKey();
}

/** Ask for a key; true once the server accepts one, false if the user would rather not. */
export function askForKey({ wasWrong = false } = {}) {
  byId("key-wrong").hidden = !(wasWrong && apiKey());
  asking ??= ask().finally(() => {
    asking = null;
  });
  return asking;
}

/** Show the button that changes the key, if the server wants keys. */
export function setUpKey(needsKey) {
  isNeeded = needsKey;
  const button = byId("key-button");
  button.hidden = !needsKey;
  button.onclick = () => askForKey();
}

function ask() {
  const dialog = byId("key-dialog");
  const text = byId("key-text");
  text.value = apiKey();
  dialog.showModal();
  return new Promise((resolve) => {
    byId("key-cancel").onclick = () => dialog.close();
    dialog.onclose = () => resolve(false);
    byId("key-form").onsubmit = async (event) => {
      event.preventDefault();
      const before = apiKey();
      const given = text.value.trim();
      byId("key-wrong").hidden = true;
      // A header cannot hold anything else, and no key does. Without an answer of the server the
      // jobs themselves will say that it is away.
      const canBeSent = /^[\x21-\x7e]+$/.test(given);
      if (canBeSent) setApiKey(given);
      if (canBeSent && (await keyWorks().catch(() => true))) {
        resolve(true);
        dialog.close();
      } else {
        setApiKey(before);
        byId("key-wrong").hidden = false;
        text.select();
      }
    };
  });
}
