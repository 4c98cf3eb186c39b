// The form that opens a room: its name, microphone and options.

import { byId, recall, remember } from "../dom.js";
import { onLocale, t } from "../i18n.js";
import { microphones } from "../microphone.js";
import { restore } from "../options.js";
import { openView } from "../views.js";
import { onRooms, roomNamed } from "./rooms.js";
import { openRoom } from "./speak.js";
import { onSpeaking, roomsOfOthers } from "./watch.js";

const KEPT = "room-options";
// What the server takes as the name of a room.
const NAME = /^[\p{L}\p{M}\p{N}_ .-]{1,64}$/u;

let isNameGiven = false; // whether the user has written one

/** Let rooms be opened. */
export function setUpRoomForm() {
  const form = byId("room-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(form);
  });
  byId("room-name").addEventListener("input", () => {
    isNameGiven = byId("room-name").value !== "";
    showFault("");
  });
  onRooms((event) => {
    // The form makes room for the captions.
    if (event === "added") byId("room-new").open = false;
  });
  onLocale(offerMicrophones);
  onLocale(offerName);
  onSpeaking(offerName);
  navigator.mediaDevices?.addEventListener("devicechange", offerMicrophones);
  // Their names are told once one of them was allowed.
  byId("room-new").addEventListener("toggle", offerMicrophones);
  offerMicrophones();
  offerName();
}

/** Choose again what was chosen last time, once the server's models and languages are known. */
export function restoreRoomForm() {
  restore(byId("room-form"), recall(KEPT));
}

function submit(form) {
  const { name: given, hotwords, microphone, ...kept } = Object.fromEntries(new FormData(form));
  const name = given.trim();
  const fault = faultOf(name);
  showFault(fault);
  if (fault) return byId("room-name").focus();
  // What is particular to one room is not remembered.
  remember(KEPT, JSON.stringify(kept));
  openRoom(name, { ...kept, microphone, hotwords: hotwords.trim() });
  isNameGiven = false;
  offerName();
  openView("live", name);
}

function faultOf(name) {
  if (!NAME.test(name) || /^\.+$/.test(name)) return t("room.name.wrong");
  return roomNamed(name) ? t("room.name.own") : "";
}

function showFault(words) {
  const fault = byId("room-name-wrong");
  fault.textContent = words;
  fault.hidden = !words;
  byId("room-name").setAttribute("aria-invalid", String(words !== ""));
}

/** A name that is not taken, for who does not care. */
function offerName() {
  if (isNameGiven) return;
  const others = new Set(roomsOfOthers().map(({ room }) => room));
  let n = 1;
  while (roomNamed(t("room.default", { n })) || others.has(t("room.default", { n }))) n += 1;
  byId("room-name").value = t("room.default", { n });
}

async function offerMicrophones() {
  const select = byId("room-microphone");
  const found = await microphones();
  const usual = new Option(t("room.microphone.default"), "");
  const named = found.filter(({ deviceId }) => deviceId !== "default");
  const options = named.map(({ deviceId, label }, i) => {
    return new Option(label || t("room.microphone.unnamed", { n: i + 1 }), deviceId);
  });
  const before = select.value;
  select.replaceChildren(usual, ...options);
  if ([...select.options].some((one) => one.value === before)) select.value = before;
}
