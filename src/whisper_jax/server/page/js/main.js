// Starts the page: puts its parts together and asks the server what it offers.

import { serverFacts } from "./api.js";
import { byId } from "./dom.js";
import { ApiError } from "./errors.js";
import { setUpLocale } from "./i18n.js";
import { setLimit, setUpIntake } from "./intake.js";
import { setUpJobList } from "./job-list.js";
import { allJobs, onJobs, RUNNING } from "./jobs.js";
import { setUpKey } from "./key.js";
import { needsCare } from "./live/finish.js";
import { setUpLive } from "./live/live.js";
import { restoreRoomForm } from "./live/room-form.js";
import { allRooms } from "./live/rooms.js";
import { offer, setUpOptions } from "./options.js";
import { isRecording, setUpRecorder } from "./recorder.js";
import { setUpRunner } from "./runner.js";
import { setUpTheme } from "./theme.js";
import { setUpViewer } from "./viewer.js";
import { setUpViews } from "./views.js";

setUpLocale();
setUpTheme();
setUpOptions();
setUpIntake();
setUpRecorder();
setUpViewer();
setUpJobList(showViewer);
setUpRunner();
setUpPanes();
setUpLive();
setUpViews();
document.documentElement.classList.remove("translating");
byId("reconnect").addEventListener("click", connect);
connect();

async function connect() {
  try {
    const facts = await serverFacts();
    offer(facts);
    restoreRoomForm();
    setLimit(facts.max_upload_bytes);
    setUpKey(facts.needs_key);
    byId("offline").hidden = true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    byId("offline").hidden = false;
  }
}

/** From the first recording on there are a list and a viewer: side by side, or on phones in turn. */
function setUpPanes() {
  onJobs(() => {
    const hasJobs = allJobs().length > 0;
    document.body.dataset.view = hasJobs ? "work" : "home";
    byId("jobs").hidden = !hasJobs;
    if (!hasJobs) document.body.dataset.pane = "list";
  });
  byId("back").addEventListener("click", () => {
    document.body.dataset.pane = "list";
    scrollTo(0, 0);
    byId("job-list").querySelector("[aria-current='true']")?.focus();
  });
}

function showViewer() {
  document.body.dataset.pane = "viewer";
  // Where the list is out of sight the focus goes along.
  if (byId("jobs").offsetParent === null) {
    scrollTo(0, 0);
    byId("viewer-title").focus({ preventScroll: true });
  }
}

addEventListener("beforeunload", (event) => {
  const isBusy = (job) => job.unsaved || RUNNING.has(job.state) || job.state === "waiting";
  const isLost = isRecording() || allJobs().some(isBusy) || allRooms().some(needsCare);
  if (isLost) event.preventDefault();
});
