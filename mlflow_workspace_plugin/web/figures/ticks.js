// Where the lines of an axis are, and what stands at them. Pure.

import { decimalsOf, formatDuration, formatTick, formatTime } from "../format.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const LENGTHS = [
  1,
  2,
  5,
  10,
  20,
  50,
  100,
  200,
  500,
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 30, 90, 365].map((count) => count * DAY),
];

/** Round numbers from `low` to `high`, at most about `count`; whole ones if `isWhole`. */
export function numberTicks(low, high, count, isWhole) {
  const rough = (high - low) / Math.max(count, 1);
  if (!(rough > 0)) {
    return [low];
  }
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= rough * 0.82);
  const step = factor * power;
  return multiples(low, high, isWhole ? Math.max(1, Math.round(step)) : step);
}

/** Powers of ten, between them 2 and 5 where few fit, or round numbers where none does. */
export function logTicks(low, high, count) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const every = Math.max(1, Math.ceil((last - first) / Math.max(count, 1)));
  for (const factors of [[1], [1, 2, 5]]) {
    const ticks = [];
    for (let exponent = first; exponent <= last; exponent += every) {
      // Of a text: ten to a negative power is not exact.
      ticks.push(...factors.map((factor) => Number(`${factor}e${exponent}`)));
    }
    const within = ticks.filter((tick) => tick >= low && tick <= high);
    if (within.length >= 3 || (every > 1 && within.length > 1)) {
      return within;
    }
  }
  return numberTicks(low, high, count, false);
}

/** Multiples of a round length of time. */
export function durationTicks(low, high, count) {
  return multiples(low, high, roundLength((high - low) / Math.max(count, 1)));
}

/** Round moments of the reader's zone. */
export function timeTicks(low, high, count) {
  const length = roundLength((high - low) / Math.max(count, 1));
  // Where the day begins differs by zone, and with the season.
  const zone = new Date(low).getTimezoneOffset() * MINUTE;
  return multiples(low - zone, high - zone, length).map((tick) => tick + zone);
}

/** What stands at the lines of an axis of numbers. */
export function numberLabels(ticks) {
  const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : Math.abs(ticks[0]) || 1;
  return ticks.map((tick) => formatTick(tick, step));
}

/** What stands at the lines of a logarithmic axis. */
export function logLabels(ticks) {
  return ticks.map((tick) => formatTick(tick, 10 ** Math.floor(Math.log10(Math.abs(tick)))));
}

/** What stands at the lines of an axis of durations. */
export function durationLabels(ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 0;
  if (step < SECOND && ticks.length > 1 && ticks[ticks.length - 1] < 10 * MINUTE) {
    return ticks.map((tick) => `${(tick / SECOND).toFixed(decimalsOf(step / SECOND))} s`);
  }
  return ticks.map((tick) => {
    if (tick === 0) {
      return "0";
    }
    if (step % DAY === 0 && tick % DAY === 0) {
      return `${tick / DAY} d`;
    }
    if (step % HOUR === 0 && tick % HOUR === 0) {
      return `${tick / HOUR} h`;
    }
    if (step % MINUTE === 0 && tick % MINUTE === 0 && tick < 2 * HOUR) {
      return `${tick / MINUTE} min`;
    }
    return formatDuration(tick);
  });
}

/** What stands at the lines of an axis of moments: the day where it changes, else the clock. */
export function timeLabels(ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 0;
  let day = null;
  return ticks.map((tick) => {
    const [date, clock] = formatTime(tick, { seconds: step < MINUTE }).split(" ");
    const isNew = date !== day;
    day = date;
    if (step >= DAY) {
      return date;
    }
    const fraction = step < SECOND ? `.${String(Math.round(tick) % SECOND).padStart(3, "0")}` : "";
    return isNew ? `${clock}${fraction}\n${date}` : clock + fraction;
  });
}

function roundLength(rough) {
  return LENGTHS.find((length) => length >= rough) ?? Math.ceil(rough / (365 * DAY)) * 365 * DAY;
}

function multiples(low, high, step) {
  const ticks = [];
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const digits = decimalsOf(step);
  for (let index = first; index <= last && ticks.length < 100; index += 1) {
    const tick = index * step;
    // The sum of what is not exact in binary: 0.30000000000000004.
    ticks.push(digits > 0 && digits < 15 ? Number(tick.toFixed(digits)) : tick);
  }
  return ticks;
}
