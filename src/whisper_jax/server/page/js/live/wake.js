// Keeps the screen on while there is a reason to: captions are read, or a room is open.

const reasons = new Set();
let lock = null;

/** Keep the screen on for a reason, or no longer for it. */
export function keepAwake(reason, isOn) {
  if (isOn) reasons.add(reason);
  else reasons.delete(reason);
  settle();
}

// The browser takes the lock away while the page is out of sight.
document.addEventListener("visibilitychange", settle);

async function settle() {
  if (!reasons.size) {
    lock?.release();
    lock = null;
  } else if (!document.hidden && (!lock || lock.released)) {
    try {
      lock = await navigator.wakeLock?.request("screen");
    } catch {
      // Refused, as when the battery is low: the screen may then go dark.
    }
  }
}
