// Numbers, times and durations as text: the same in every browser, whatever its language.

const SUFFIXES = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "k"],
];

/**
 * A number to be read: whole numbers in full, others with so many digits that say something.
 *
 * @param value a number, "NaN", "Infinity", "-Infinity", or {"number": text}.
 * @param {number} digits of those that are not whole.
 */
export function formatNumber(value, digits = 5) {
  if (value !== null && typeof value === "object" && "number" in value) {
    return /^-?\d+$/.test(value.number) ? grouped(value.number) : String(value.number);
  }
  if (typeof value !== "number") {
    return String(value);
  }
  if (!Number.isFinite(value)) {
    return String(value);
  }
  if (Number.isSafeInteger(value)) {
    return grouped(String(value));
  }
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e15) {
    return shortExponent(value.toExponential(digits - 1));
  }
  if (size >= 10 ** digits) {
    const [whole, rest] = value.toFixed(size < 1e9 ? 1 : 0).split(".");
    return grouped(whole) + (rest && rest !== "0" ? `.${rest}` : "");
  }
  return withoutZeros(value.toPrecision(digits));
}

/** A number at an axis, beside others that are `step` apart. */
export function formatTick(value, step) {
  if (value === 0) {
    return "0";
  }
  const size = Math.abs(value);
  if (size >= 1e16 || size < 1e-4) {
    return shortExponent(value.toExponential(digitsBelow(value, step)));
  }
  if (size >= 1e4) {
    const [unit, suffix] = SUFFIXES.find(([least]) => size >= least);
    const digits = decimalsOf(step / unit);
    if (digits <= 3) {
      return (value / unit).toFixed(digits) + suffix;
    }
    return grouped(value.toFixed(decimalsOf(step)));
  }
  return value.toFixed(decimalsOf(step));
}

/** A moment, in milliseconds, in the zone of who reads it: 2026-11-29 10:36:05. */
export function formatTime(milliseconds, { date = true, seconds = true } = {}) {
  const moment = new Date(milliseconds);
  if (Number.isNaN(moment.getTime())) {
    return String(milliseconds);
  }
  const day = [moment.getFullYear(), moment.getMonth() + 1, moment.getDate()].map(twoDigits);
  const clock = [moment.getHours(), moment.getMinutes()].map(twoDigits);
  if (seconds) {
    clock.push(twoDigits(moment.getSeconds()));
  }
  return (date ? `${day.join("-")} ` : "") + clock.join(":");
}

/** A length of time, in milliseconds, in its two largest units: 1 h 02 min. */
export function formatDuration(milliseconds) {
  if (!Number.isFinite(milliseconds)) {
    return String(milliseconds);
  }
  if (milliseconds < 0) {
    return `-${formatDuration(-milliseconds)}`;
  }
  if (milliseconds < 1000) {
    return `${Math.round(milliseconds)} ms`;
  }
  if (milliseconds < 59_950) {
    return `${withoutZeros((milliseconds / 1000).toFixed(1))} s`;
  }
  const seconds = Math.round(milliseconds / 1000);
  const [days, hours] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24];
  const minutes = Math.floor(seconds / 60) % 60;
  if (days > 0) {
    return `${grouped(String(days))} d ${twoDigits(hours)} h`;
  }
  return hours > 0
    ? `${hours} h ${twoDigits(minutes)} min`
    : `${minutes} min ${twoDigits(seconds % 60)} s`;
}

/** A size of a file: 1.2 MB. */
export function formatBytes(bytes) {
  const unit = [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ].find(([least]) => bytes >= least);
  return unit ? `${withoutZeros((bytes / unit[0]).toFixed(1))} ${unit[1]}` : `${bytes} B`;
}

/** A cell of a table, as text. */
export function formatCell(cell) {
  if (cell === null || cell === undefined) {
    return "";
  }
  return typeof cell === "number" || typeof cell === "object" ? formatNumber(cell) : String(cell);
}

/** Whether a cell is a number, which stands at the right. */
export function isNumberCell(cell) {
  return typeof cell === "number" || (cell !== null && typeof cell === "object");
}

/** How many decimals a number needs that is a multiple of `step`. */
export function decimalsOf(step) {
  if (!(step > 0)) {
    return 0;
  }
  for (let digits = 0; digits < 15; digits += 1) {
    const scaled = step * 10 ** digits;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6 * Math.max(1, scaled) && scaled > 0.5) {
      return digits;
    }
  }
  return 15;
}

function digitsBelow(value, step) {
  const digits = Math.floor(Math.log10(Math.abs(value))) - Math.floor(Math.log10(step));
  return Math.min(Math.max(digits, 0), 12);
}

function grouped(digits) {
  return digits.replace(/\B(?=(\d{3})+$)/g, ",");
}

function withoutZeros(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function shortExponent(text) {
  const [mantissa, exponent] = text.split("e");
  return `${withoutZeros(mantissa)}e${exponent.replace("+", "")}`;
}

function twoDigits(number) {
  return String(number).padStart(2, "0");
}
