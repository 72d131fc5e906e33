// How long a figure of runs that go on is left alone after it was read.

const SHORTEST_MS = 3000;
// A read that the machine slept through seems to have taken hours.
const LONGEST_MS = 600_000;
// How many times as long as its read took.
const LEFT_ALONE = 8;

/** For how many milliseconds a figure that took so many to read is not read again. */
export function pauseAfter(tookMs) {
  return Math.min(Math.max(SHORTEST_MS, LEFT_ALONE * tookMs), LONGEST_MS);
}
