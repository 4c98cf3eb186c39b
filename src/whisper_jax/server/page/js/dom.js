// Small helpers for the document.

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element #${id}`);
  return element;
}

/**
 * A new element. `properties` are set as properties, but for `data` (an object of data-… values)
 * and those with a hyphen or named `role`, which are attributes.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "data") Object.assign(element.dataset, value);
    else if (name === "role" || name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** An icon of the sprite in index.html, which says nothing to screen readers. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** What was remembered under this name; null if nothing was, or storage is switched off. */
export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Remember a text for the next visit, if storage allows. */
export function remember(name, text) {
  try {
    localStorage.setItem(name, text);
  } catch {
    // Private windows may refuse: then it holds for this visit.
  }
}

/** Whether the user asked the system for less motion. */
export function wantsLessMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
