// The view of live captions: puts its parts together.

import { onView } from "../views.js";
import { setUpCaptions } from "./captions.js";
import { setUpCards, showCard } from "./card.js";
import { setUpFinishing } from "./finish.js";
import { setUpRoomForm } from "./room-form.js";
import { setUpRoomsList } from "./rooms-list.js";
import { allRooms, onRooms, roomNamed } from "./rooms.js";
import { setUpSpeaking } from "./speak.js";
import { keepAwake } from "./wake.js";
import { look, setUpWatching, watchRoom } from "./watch.js";

/** Wire the view, which opens the room that the address names. */
export function setUpLive() {
  setUpCards();
  setUpFinishing();
  setUpRoomForm();
  setUpRoomsList();
  setUpCaptions();
  setUpSpeaking();
  setUpWatching();
  onRooms(() => keepAwake("microphone", allRooms().some((room) => room.capture)));
  onView(({ view, room }) => {
    if (view !== "live") return;
    if (room) showCard(roomNamed(room) ?? watchRoom(room));
    else look({ mayAsk: true });
  });
}
