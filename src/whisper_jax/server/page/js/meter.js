// Shows the level of a sound: its history as bars, or a single bar where motion disturbs.

import { wantsLessMotion } from "./dom.js";
import { onTheme } from "./theme.js";

const BAR_PX = 4; // width of a bar of the level's history, gap included
const BAR_MS = 60;
const FLOOR_DB = -60; // shown as no level at all

const running = new Set();
onTheme(() => running.forEach(readColour));

/** Show the level of a source in `box`, a meter that holds a canvas; returns what ends it. */
export function startMeter(box, context, source) {
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  source.connect(analyser);
  const meter = { box, analyser, canvas: box.querySelector("canvas"), levels: [], colour: "" };
  readColour(meter);
  running.add(meter);
  const timer = setInterval(() => measure(meter), BAR_MS);
  return () => {
    clearInterval(timer);
    running.delete(meter);
    source.disconnect(analyser);
  };
}

function readColour(meter) {
  meter.colour = getComputedStyle(meter.box).color;
}

function measure(meter) {
  const samples = new Float32Array(meter.analyser.fftSize);
  meter.analyser.getFloatTimeDomainData(samples);
  const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
  const level_db = 10 * Math.log10(power + 1e-12);
  const level = Math.min(1, Math.max(0, 1 - level_db / FLOOR_DB));
  meter.levels.push(level);
  meter.box.setAttribute("aria-valuenow", String(Math.round(level * 100)));
  draw(meter, level);
}

function draw({ canvas, levels, colour }, level) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = devicePixelRatio;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = colour;
  const n_bars = Math.floor(width / BAR_PX);
  levels.splice(0, levels.length - n_bars);
  if (wantsLessMotion()) {
    pen.fillRect(0, height / 2 - 4, width * level, 8);
    return;
  }
  levels.forEach((one, i) => {
    const tall = Math.max(2, one * height);
    const x = width - (levels.length - i) * BAR_PX;
    pen.beginPath();
    pen.roundRect(x, (height - tall) / 2, BAR_PX - 1.5, tall, 1.5);
    pen.fill();
  });
}
