// Curves: over the x that is chosen, smoothed, on a linear or logarithmic scale, zoomed into, read.

import { seriesColour, seriesDash, withAlpha } from "../colours.js";
import { el } from "../dom.js";
import { formatNumber } from "../format.js";
import {
  canShow,
  coincidences,
  curvesOf,
  extentOfX,
  extentOfY,
  smoothed,
  startOf,
} from "./curves.js";
import { newLegend } from "./legend.js";
import { drawMarks } from "./marks.js";
import { linePath } from "./paths.js";
import { newPlot, newSeries, padded } from "./plot.js";
import { newReading } from "./reading.js";

const CHOICE_NAMES = { step: "Step", relative: "Relative", time: "Time" };
const STRIPE = 9;

/** Draw a figure of kind "lines" into an element. `frame` is that of `drawFigure`. */
export function drawLines(body, first, frame) {
  const state = {
    figure: first,
    // What was asked for: over another x, and within a range.
    answered: null,
    choice: initialChoice(first, frame.options),
    // What a page sets for all is for what was measured over steps and time, not for a ROC curve.
    smoothing: isMeasured(first) ? (frame.options.smoothing ?? 0) : 0,
    isLog: isMeasured(first) && (frame.options.logScale ?? false),
    x: zoomedAtFirst(first, frame.options),
    y: null,
    hidden: new Set(),
    hiddenRuns: new Set(),
    // Is one curve at, the others are behind it.
    focus: null,
    focusedRun: null,
    whole: [-Infinity, Infinity],
    asked: 0,
    isAsking: false,
    isStale: false,
  };
  let drawn = null;

  const place = el("div", {
    class: "mw-plot",
    tabindex: "0",
    role: "img",
    "aria-roledescription": "chart",
  });
  const yLabel = el("div", { class: "mw-y-label" });
  const legend = newLegend({
    onToggle: (index) => toggle(nameAt(index)),
    onAlone: (index) => showAlone(nameAt(index)),
    onFocus: (index) => {
      state.focus = index;
      plot.redraw();
    },
  });
  body.append(yLabel, place, legend.element);
  const reading = newReading(place, () => ({
    plot: plot.plot,
    drawn,
    isHidden,
    colourOf: (index) => seriesColour(placeOf(index)),
    dashOf,
  }));
  const controls = newControls();
  frame.tools.prepend(controls.element);

  const shownFigure = () => state.answered ?? state.figure;
  // A page may give its runs places on the palette, the same in all figures.
  // A run that was just taken out has none until its curve is.
  const placeOf = (index) => {
    const place = frame.options.place?.(drawn.figure.series[index], index) ?? -1;
    return place >= 0 ? place : index;
  };
  // Several curves of one run have its colour.
  const turnOf = (index) => {
    const { series } = drawn.figure;
    const isOfRun = frame.options.place && series[index].run !== null;
    return isOfRun ? series.slice(0, index).filter(({ run }) => run === series[index].run).length : 0;
  };
  // Dashes tell apart twice as many as colours do; beyond, they are only unrest.
  const dashOf = (index) => (drawn.curves.length > 16 ? [] : seriesDash(placeOf(index), turnOf(index)));
  const isHidden = (curve) => state.hidden.has(keyOf(curve)) || state.hiddenRuns.has(curve.run);
  const isFocused = (index) =>
    state.focus === index ||
    (state.focusedRun !== null && drawn.curves[index].run === state.focusedRun);
  const isBehind = (index) =>
    (state.focus !== null ||
      drawn.curves.some((curve) => curve.run !== null && curve.run === state.focusedRun)) &&
    !isFocused(index);
  const keyOf = (curve) => JSON.stringify([curve.run ?? null, curve.name]);
  const nameAt = (index) => keyOf(drawn.curves[index]);

  function prepare() {
    const figure = shownFigure();
    const whole = curvesOf(figure, state.choice);
    const curves = whole.map((curve) => ({
      ...curve,
      raw: curve.ys,
      ys: smoothed(curve, state.smoothing),
    }));
    const visible = curves.filter((curve) => !isHidden(curve));
    const measured = visible.map((curve) => ({ ...curve, ys: curve.raw }));
    const isLog = state.isLog && extentOfY(measured, null, true) !== null;
    const limits = figure.limits ?? {};
    const wholeX = limits.x ?? roomy(withMarks(extentOfX(visible), visible), curves);
    const extent = extentOfY(measured, state.x, isLog) ?? [0, 1];
    const wholeY = limits.y && !isLog ? padded(limits.y, 0.02) : padded(extent, 0.06, isLog);
    drawn = {
      figure,
      curves,
      isLog,
      wholeX,
      x: state.x ?? wholeX,
      y: state.y ?? wholeY,
      xType: { time: "time", relative: "duration" }[state.choice] ?? figure.x.type,
      isWholeX: curves.every((curve) => curve.xs.every(Number.isInteger)),
      isSmooth: curves.some((curve) => curve.raw !== curve.ys),
      places: coincidences(whole),
      belowLog: isLog ? countOf(measured, (y) => y !== null && y <= 0) : 0,
    };
  }

  const describe = () => {
    const { curves, isSmooth, places, figure } = drawn;
    const series = [];
    const data = [];
    const owners = [];
    curves.forEach((curve, index) => {
      const show = !isHidden(curve);
      const colour = seriesColour(placeOf(index));
      const { place: at, size } = places[index];
      // Curves that lie on each other are drawn as stripes of all their colours.
      const dash = size > 1 ? stripe(at, size) : dashOf(index);
      const width = isFocused(index) ? 2.5 : curves.length > 12 ? 1 : 1.75;
      if (isSmooth) {
        series.push(
          newSeries({
            stroke: withAlpha(colour, isBehind(index) ? 0.06 : 0.22),
            fill: null,
            width: 1,
            paths: linePath,
            show,
          }),
        );
        data.push([curve.xs, curve.raw]);
        owners.push(curve);
      }
      series.push(
        newSeries({
          stroke: isBehind(index) ? withAlpha(colour, 0.18) : colour,
          fill: null,
          width,
          dash,
          paths: linePath,
          show,
        }),
      );
      data.push([curve.xs, curve.ys]);
      owners.push(curve);
    });
    const listed = frame.options.hasLegend === false ? [] : curves;
    legend.show(
      listed.map((curve, index) => ({
        name: curve.name,
        colour: seriesColour(placeOf(index)),
        dash: dashOf(index),
        isHidden: state.hidden.has(keyOf(curve)),
      })),
    );
    // Where the x is chosen, what is chosen says it.
    const xLabel = figure.x.choices?.length > 1 ? "" : figure.x.label;
    return { ...drawn, xLabel, series, data, curves: owners };
  };

  const draw = () => {
    prepare();
    if (state.x === null || (state.answered === null && canShow(state.figure, state.choice))) {
      state.whole = drawn.wholeX;
    }
    const { figure, curves } = drawn;
    yLabel.textContent = figure.y.label === figure.title ? "" : figure.y.label;
    yLabel.hidden = yLabel.textContent === "";
    const count = curves.reduce((sum, curve) => sum + curve.xs.length, 0);
    place.setAttribute(
      "aria-label",
      `${figure.title}: ${curves.length === 1 ? "one curve" : `${curves.length} curves`}, ${formatNumber(count)} points. Arrow keys read values, plus and minus zoom, 0 shows all.`,
    );
    frame.setNote(noteOf());
    controls.show();
    plot.redraw();
  };

  const noteOf = () => {
    const { figure, belowLog, curves, isLog } = drawn;
    return [
      figure.note,
      curves.some((curve) => curve.marks.length > 0)
        ? "What is not finite is marked at the edge."
        : null,
      belowLog > 0
        ? `${formatNumber(belowLog)} of 0 or less, which a logarithmic scale does not have.`
        : null,
      state.isLog && !isLog ? "Nothing is above 0, so the scale is not logarithmic." : null,
    ];
  };

  // What is asked again

  const ask = async () => {
    state.asked += 1;
    const number = state.asked;
    const isHere = canShow(state.figure, state.choice);
    const isExact = state.figure.series.every((series) => series.is_exact);
    if (!frame.options.range || (isHere && (isExact || state.x === null))) {
      state.answered = null;
      state.isAsking = false;
      return;
    }
    state.isAsking = true;
    state.isStale = false;
    try {
      const answer = await frame.options.range(state.figure.id, wantedRange());
      if (answer?.kind !== "lines") {
        throw new Error(answer?.note || "they are no curves any more. Load the page again.");
      }
      if (number === state.asked) {
        state.answered = answer;
        frame.say(null);
      }
    } catch (error) {
      if (number === state.asked) {
        frame.say(`The points could not be read: ${error.message}`);
      }
    }
    if (number === state.asked && !isDestroyed) {
      state.isAsking = false;
      draw();
      if (state.isStale) {
        ask();
      }
    }
  };

  const wantedRange = () => {
    const x = state.choice === "step" ? "step" : "time";
    if (state.x === null) {
      return { x, start: null, end: null };
    }
    // Relative times begin at each run's own start.
    const isRelative = state.choice === "relative";
    const starts = isRelative ? state.figure.series.map((s) => startOf(state.figure, s)) : [0];
    return {
      x,
      // As they are: the x of rows may be between 0 and 1.
      start: state.x[0] + starts.reduce((a, b) => Math.min(a, b)),
      end: state.x[1] + starts.reduce((a, b) => Math.max(a, b)),
    };
  };

  const zoom = (x, y) => {
    if (x !== null && !(Number.isFinite(x[1] - x[0]) && x[1] > x[0])) {
      // There is nothing between two numbers that are next to each other.
      return;
    }
    if (x !== null && isAll(x)) {
      reset();
      return;
    }
    const isOther = x !== null && x !== state.x;
    state.x = x ?? state.x;
    state.y = y ?? (isOther ? null : state.y);
    if (isOther) {
      ask();
      tellZoom();
    }
    draw();
  };

  const isAll = ([low, high]) => {
    const [first, last] = state.whole;
    if (Number.isFinite(last - first)) {
      return high - low >= last - first;
    }
    // It was drawn with a range, and how much there is was never asked: what is wider shows it.
    return state.x !== null && high - low > 1.01 * (state.x[1] - state.x[0]);
  };

  const reset = () => {
    const wasZoomed = state.x !== null;
    state.x = null;
    state.y = null;
    if (wasZoomed) {
      ask();
      tellZoom();
    }
    draw();
  };

  const tellZoom = () => {
    const x = isMeasured(state.figure) ? state.choice : null;
    frame.options.onZoom?.(state.x === null ? null : { x, from: state.x[0], to: state.x[1] });
  };

  const choose = (choice) => {
    if (choice !== state.choice && state.figure.x.choices?.includes(choice)) {
      state.choice = choice;
      state.x = null;
      state.y = null;
      state.answered = null;
      ask();
      tellZoom();
      draw();
    }
  };

  const setLog = (isLog) => {
    state.isLog = isLog;
    state.y = null;
    draw();
  };

  const toggle = (key) => {
    if (!state.hidden.delete(key)) {
      state.hidden.add(key);
    }
    draw();
  };

  const showAlone = (key) => {
    const others = drawn.curves.map(keyOf).filter((other) => other !== key);
    const isAlone = others.every((other) => state.hidden.has(other)) && !state.hidden.has(key);
    state.hidden = new Set(isAlone ? [] : others);
    draw();
  };

  const onKey = (event) => {
    const u = plot.plot;
    if (u === null || drawn.curves.length === 0) {
      return false;
    }
    const [low, high] = drawn.x;
    const by = (factor) => {
      const middle =
        reading.x !== null && reading.x >= low && reading.x <= high ? reading.x : (low + high) / 2;
      zoom([middle - (middle - low) * factor, middle + (high - middle) * factor], null);
    };
    const pan = (share) => zoom([low + (high - low) * share, high + (high - low) * share], state.y);
    const large = Math.max(1, Math.round((drawn.curves[0].xs.length || 1) / 20));
    const keys = {
      ArrowRight: () => (event.shiftKey ? pan(0.2) : reading.step(1)),
      ArrowLeft: () => (event.shiftKey ? pan(-0.2) : reading.step(-1)),
      PageDown: () => reading.step(large),
      PageUp: () => reading.step(-large),
      Home: () => reading.step(-Infinity),
      End: () => reading.step(Infinity),
      "+": () => by(0.5),
      "=": () => by(0.5),
      "-": () => by(2),
      0: reset,
      l: () => setLog(!state.isLog),
    };
    if (event.key === "Escape") {
      const isUsed = state.x !== null || state.y !== null;
      if (isUsed) {
        reset();
      }
      return isUsed;
    }
    keys[event.key]?.();
    return event.key in keys;
  };

  // What stands beside the title

  function newControls() {
    const zoomed = el(
      "button",
      {
        type: "button",
        class: "mw-tool is-strong",
        title: "Show all (double click, or 0)",
        onclick: () => reset(),
      },
      "Reset zoom",
    );
    const busy = el("span", { class: "mw-busy", role: "status" }, "reading");
    const log = el(
      "button",
      {
        type: "button",
        class: "mw-tool",
        title: "Logarithmic scale (l)",
        onclick: () => setLog(!state.isLog),
      },
      "log",
    );
    const choices = el("select", {
      class: "mw-tool",
      "aria-label": "Over",
      onchange: (event) => choose(event.target.value),
    });
    const over = el("span", { class: "mw-select" }, choices);
    const element = el("span", { class: "mw-tools-own" }, busy, zoomed, over, log);
    let offered = "";
    return {
      element,
      show() {
        const names = state.figure.x.choices ?? [];
        if (offered !== names.join()) {
          offered = names.join();
          choices.replaceChildren(
            ...names.map((name) => el("option", { value: name }, CHOICE_NAMES[name] ?? name)),
          );
        }
        over.hidden = names.length < 2;
        choices.value = state.choice;
        log.setAttribute("aria-pressed", String(state.isLog));
        zoomed.hidden = state.x === null && state.y === null;
        busy.hidden = !state.isAsking;
      },
    };
  }

  let isDestroyed = false;
  prepare();
  const plot = newPlot(place, describe, {
    onSelect: ({ x, y }) => zoom(x, y),
    onReset: () => reset(),
    onMove: (left, top) => reading.move(left, top),
    onDraw: (u, theme) => drawMarks(u, theme, drawn, { isHidden, isBehind, placeOf }),
    onKey,
  });
  place.addEventListener("blur", () => reading.hide());
  draw();
  if (state.choice !== "step" || state.x !== null) {
    ask();
  }

  return {
    update(figure) {
      state.figure = figure;
      if (state.isAsking) {
        // Answers that are slower than updates are shown all the same.
        state.isStale = true;
      } else if (state.answered !== null) {
        ask();
      }
      draw();
    },
    set({ smoothing, logScale, x }) {
      if (!isMeasured(state.figure)) {
        return;
      }
      state.smoothing = smoothing ?? state.smoothing;
      if (logScale !== undefined) {
        setLog(logScale);
      }
      if (x !== undefined) {
        choose(x ?? initialChoice(state.figure, {}));
      }
      draw();
    },
    focus(run) {
      state.focusedRun = run;
      plot.redraw();
    },
    hide(runs) {
      state.hiddenRuns = runs;
      draw();
    },
    destroy() {
      isDestroyed = true;
      plot.destroy();
      reading.destroy();
      controls.element.remove();
    },
  };
}

function isMeasured(figure) {
  return (figure.x.choices ?? []).length > 0;
}

function initialChoice(figure, options) {
  const choices = figure.x.choices ?? [];
  if (choices.includes(options.x)) {
    return options.x;
  }
  return { time: "time", duration: "relative" }[figure.x.type] ?? "step";
}

// A range is of the x that it was zoomed to over; over another it means nothing.
function zoomedAtFirst(figure, options) {
  const zoomed = options.zoomed ?? null;
  const x = isMeasured(figure) ? initialChoice(figure, options) : null;
  return zoomed !== null && zoomed.x === x ? [zoomed.from, zoomed.to] : null;
}

function stripe(place, size) {
  const period = STRIPE * size;
  return place === 0 ? [] : [0, STRIPE * place, STRIPE, period - STRIPE * (place + 1)];
}

function countOf(curves, is) {
  return curves.reduce((sum, curve) => sum + curve.ys.filter(is).length, 0);
}

// Room at the sides where points would lie on the edge; none where curves fill the whole.
function roomy(extent, curves) {
  if (extent === null) {
    return [0, 1];
  }
  const isDense = curves.some((curve) => curve.xs.length > 60);
  return extent[0] === extent[1] || !isDense ? padded(extent, 0.02) : extent;
}

function withMarks(extent, curves) {
  const xs = curves.flatMap((curve) => curve.marks.map((mark) => mark.x));
  if (xs.length === 0) {
    return extent;
  }
  const [low, high] = extent ?? [xs[0], xs[0]];
  return [xs.reduce((a, b) => Math.min(a, b), low), xs.reduce((a, b) => Math.max(a, b), high)];
}
