// Keeps sound as a browser records it, and makes a file of it.

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const CHUNK_MS = 1000;

/**
 * Record a MediaStream from now on. `onStop(blob)` is called once: when the function that this
 * returns is called, or when the stream's tracks have ended.
 */
export function startRecording(stream, onStop) {
  const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
  const chunks = [];
  recorder.ondataavailable = (event) => event.data.size && chunks.push(event.data);
  recorder.onstop = () => onStop(new Blob(chunks, { type: recorder.mimeType }));
  recorder.start(CHUNK_MS);
  return () => recorder.state !== "inactive" && recorder.stop();
}

/** A recording as a file of this name, with the ending of its kind. */
export function recordingFile(blob, name) {
  const type = blob.type.split(";")[0];
  return new File([blob], `${name}.${type.split("/")[1]}`, { type });
}

/** "2031-05-04 17.30.00": sorts by time, and holds nothing that file names may not. */
export function timeInName() {
  const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString();
  return now.slice(0, 19).replace("T", " ").replaceAll(":", ".");
}
