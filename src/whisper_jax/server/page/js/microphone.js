// Gets the sound of a microphone from the browser, or says in words why not.

/** Why there is no microphone: `key` names the words for it. */
export class MicrophoneError extends Error {
  constructor(key) {
    super(key);
    this.key = key;
  }
}

/**
 * The sound of a microphone as a MediaStream; of the system's if no device is named.
 * Throws a MicrophoneError.
 */
export async function openMicrophone(deviceId = "") {
  if (!navigator.mediaDevices?.getUserMedia) throw new MicrophoneError("record.insecure");
  // What Whisper hears well is the plain sound: speech far away is not to be gated away.
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  if (deviceId) audio.deviceId = { exact: deviceId };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new MicrophoneError(reason(error));
  }
}

/** The microphones there are: {deviceId, label}. Before one was allowed the labels are empty. */
export async function microphones() {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return all.filter((device) => device.kind === "audioinput" && device.deviceId);
}

function reason(error) {
  if (error.name === "NotAllowedError" || error.name === "SecurityError") return "record.denied";
  const isMissing = error.name === "NotFoundError" || error.name === "OverconstrainedError";
  return isMissing ? "record.missing" : "record.failed";
}
