// The sound of a room: from a microphone to blocks of samples, to a meter and to a recording.

import { startMeter } from "../meter.js";
import { MicrophoneError, openMicrophone } from "../microphone.js";
import { startRecording } from "../recording.js";

const MAX_RATE = 48000; // as in pcm-worklet.js

/**
 * Begin to listen: `on.block(samples)` is called with each Int16Array, `on.unplugged()` when the
 * microphone is gone. Time then goes on in silence until `plugIn` finds it or another.
 * Throws a MicrophoneError.
 */
export async function startCapture(deviceId, on) {
  const stream = await openMicrophone(deviceId);
  const context = new AudioContext();
  try {
    await context.audioWorklet.addModule(new URL("pcm-worklet.js", import.meta.url));
  } catch {
    for (const track of stream.getTracks()) track.stop();
    throw new MicrophoneError("record.failed");
  }
  const settings = { channelCount: 1, channelCountMode: "explicit", outputChannelCount: [1] };
  const sender = new AudioWorkletNode(context, "pcm-sender", settings);
  sender.port.onmessage = (event) => on.block(event.data);
  // Nodes that lead nowhere are not run; what comes out of this one is silence.
  sender.connect(context.destination);
  const recorded = context.createMediaStreamDestination();
  // Phones stop the sound for a call, and leave it to the page to go on.
  context.onstatechange = () => context.state === "suspended" && context.resume();
  const mixer = context.createGain();
  mixer.connect(sender);
  mixer.connect(recorded);
  const capture = { context, mixer, recorded, deviceId, on, stream: null, source: null };
  attach(capture, stream);
  await context.resume();
  return capture;
}

/** Samples a second of the blocks. */
export function rateOf({ context }) {
  return context.sampleRate / Math.ceil(context.sampleRate / MAX_RATE);
}

/** Listen to the microphone again, or to the system's if it is still gone. */
export async function plugIn(capture) {
  const wanted = capture.deviceId;
  const stream = await openMicrophone(wanted).catch((error) => {
    if (!wanted) throw error;
    return openMicrophone();
  });
  attach(capture, stream);
}

/** Show the level in `box`; returns what ends that. */
export function showLevel(capture, box) {
  return startMeter(box, capture.context, capture.mixer);
}

/** Keep the sound; `onStop(blob)` is called when the function that this returns is called. */
export function keepSound(capture, onStop) {
  return startRecording(capture.recorded.stream, onStop);
}

/** Let the microphone go. */
export function stopCapture(capture) {
  detach(capture);
  capture.context.onstatechange = null;
  capture.context.close();
}

function attach(capture, stream) {
  detach(capture);
  capture.stream = stream;
  capture.source = capture.context.createMediaStreamSource(stream);
  capture.source.connect(capture.mixer);
  for (const track of stream.getTracks()) {
    track.onended = () => {
      detach(capture);
      capture.on.unplugged();
    };
  }
}

function detach(capture) {
  capture.source?.disconnect();
  for (const track of capture.stream?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
  capture.source = null;
  capture.stream = null;
}
