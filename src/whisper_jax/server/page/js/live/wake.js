// Keeps the screen on while there is a reason to: captions are read, or a room is open.

const reasons = new Set();
let lock = null; // the promise of a lock, while one is wanted

/** Keep the screen on for a reason, or no longer for it. */
export function keepAwake(reason, isOn) {
  if (isOn) reasons.add(reason);
  else reasons.delete(reason);
  settle();
}

document.addEventListener("visibilitychange", () => {
  // The browser takes the lock away while the page is out of sight.
  if (document.hidden) lock = null;
  settle();
});

async function settle() {
  const held = lock;
  if (reasons.size && !document.hidden) lock ??= request();
  else if (!reasons.size && held) {
    lock = null;
    (await held)?.release();
  }
}

async function request() {
  try {
    return await navigator.wakeLock?.request("screen");
  } catch {
    return null; // refused, as when the battery is low: the screen may then go dark
  }
}
