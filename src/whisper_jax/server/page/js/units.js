// Times, sizes and speeds as people read them, in the language of the page.

import { locale } from "./i18n.js";

/** 65 -> "1:05", 3665 -> "1:01:05". */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const parts = [Math.floor(whole / 60) % 60, whole % 60];
  if (whole >= 3600) parts.unshift(Math.floor(whole / 3600));
  return parts.map((part, i) => (i ? String(part).padStart(2, "0") : String(part))).join(":");
}

/** 25.3 -> "25 s", 150 -> "2 min 30 s", 4000 -> "1 h 7 min": for lengths of time. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return unit(whole, "second");
  if (whole < 3600) {
    const rest = whole < 600 ? whole % 60 : 0;
    return [unit(Math.floor(whole / 60), "minute"), rest && unit(rest, "second")]
      .filter(Boolean)
      .join(" ");
  }
  const minutes = Math.round((whole % 3600) / 60);
  return [unit(Math.floor(whole / 3600), "hour"), minutes && unit(minutes, "minute")]
    .filter(Boolean)
    .join(" ");
}

/** 12.34 -> "12×", 3.21 -> "3.2×". */
export function times(speed) {
  const digits = speed < 10 ? 1 : 0;
  return `${number(speed, { maximumFractionDigits: digits, minimumFractionDigits: digits })}×`;
}

/** 26214400 -> "25 MB", in units of 1024 as limits are set. */
export function size(bytes) {
  const steps = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const step = bytes ? Math.min(Math.floor(Math.log2(bytes) / 10), steps.length - 1) : 0;
  const value = bytes / 1024 ** step;
  return unit(value, steps[step], { maximumFractionDigits: value < 10 ? 1 : 0 });
}

/** 0.42 -> "42%". */
export function percent(share) {
  return number(share, { style: "percent", maximumFractionDigits: 0 });
}

function unit(value, name, more = {}) {
  return number(value, { style: "unit", unit: name, unitDisplay: "short", ...more });
}

function number(value, options) {
  return new Intl.NumberFormat(locale(), options).format(value);
}
