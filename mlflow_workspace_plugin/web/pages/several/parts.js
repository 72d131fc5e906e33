// Small things that pages about several runs have in common.

import { el } from "../../dom.js";
import { formatCell, formatDuration, formatTime } from "../../format.js";
import { pageUrl, pathOf } from "../api.js";

const ATTRIBUTE_NAMES = {
  status: "Status",
  experiment: "Experiment",
  user: "User",
  started: "Started",
  duration: "Duration",
};

const LIKE = { Completed: "good", Failed: "bad", NotResponding: "bad", Running: "busy", Starting: "busy", Preparing: "busy", Finalizing: "busy", CancelRequested: "busy" };

/** A link to the page of a run. */
export function runLink(id, name) {
  return el("a", { href: pageUrl(pathOf("runs", id)), class: "mw-run-link", title: name }, name);
}

/** A link to the page that compares runs. */
export function compareUrl(runs) {
  return pageUrl("/compare", { runs: runs.join(",") });
}

/** The status of a run, marked by colour and by its word. */
export function statusMark(status) {
  return el("span", { class: "mw-status is-small", dataset: { status: LIKE[status] ?? "idle" } }, status);
}

/** What a column of values is called: [of, name] as the server has it. */
export function columnName([of, name]) {
  return of === "attribute" ? (ATTRIBUTE_NAMES[name] ?? name) : name;
}

/** A value of a column as text. */
export function columnText([of, name], cell) {
  if (cell !== null && of === "attribute" && name === "started") {
    return formatTime(cell);
  }
  if (cell !== null && of === "attribute" && name === "duration") {
    return formatDuration(cell * 1000);
  }
  return formatCell(cell);
}

/** The number that a value is, or that its text says; null if it is none. */
export function numberOf(cell) {
  if (typeof cell === "number") {
    return cell;
  }
  if (typeof cell === "string" && cell.trim() !== "") {
    const number = Number(cell);
    return Number.isNaN(number) ? null : number;
  }
  if (cell !== null && typeof cell === "object" && /^-?\d+$/.test(cell.number)) {
    return Number(cell.number);
  }
  return null;
}

/** A choice of one of some: [[value, text], ...]. */
export function choiceOf(label, options, value, onChange) {
  const select = el(
    "select",
    { onchange: () => onChange(select.value) },
    options.map(([each, text]) => el("option", { value: each, selected: each === value }, text)),
  );
  return el("label", { class: "mw-choice" }, el("span", null, label), select);
}

/** A box to tick. */
export function tickBox(label, isOn, onChange) {
  const box = el("input", { type: "checkbox", checked: isOn, onchange: () => onChange(box.checked) });
  return el("label", { class: "mw-tick" }, box, el("span", null, label));
}

/** A button. */
export function buttonOf(text, onClick, props = {}) {
  return el("button", { type: "button", class: "mw-button", onclick: onClick, ...props }, text);
}

/** Let a table be ordered by what its headings are clicked for. */
export function orderedBy(rows, { key, isDescending }, valueOf) {
  const compared = (one, other) => {
    const [left, right] = [valueOf(one, key), valueOf(other, key)];
    if (left === null || right === null) {
      // What is not there comes last, whichever way it goes.
      return (left === null) - (right === null);
    }
    const [number, otherNumber] = [numberOf(left), numberOf(right)];
    const order =
      number !== null && otherNumber !== null
        ? number - otherNumber
        : textOrder(String(formatCell(left)), String(formatCell(right)));
    return isDescending ? -order : order;
  };
  return key === null ? rows : [...rows].sort(compared);
}

/** Ask for a text, or whether something may be done, in a dialog of the page. */
export function askFor(heading, { label = null, value = "", button = "Save", note = null, longest = 255 } = {}) {
  return new Promise((resolve) => {
    const input = label === null ? null : el("input", { type: "text", value, maxlength: longest, required: true });
    const dialog = el("dialog", { class: "mw-dialog" });
    const answer = (given) => {
      dialog.close();
      dialog.remove();
      resolve(given);
    };
    const done = (event) => {
      event.preventDefault();
      if (input === null || input.value.trim()) {
        answer(input === null ? true : input.value.trim());
      }
    };
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      answer(null);
    });
    dialog.append(
      el(
        "form",
        { onsubmit: done },
        el("h2", null, heading),
        note && el("p", { class: "mw-muted" }, note) || "",
        input === null ? "" : el("label", { class: "mw-field" }, el("span", null, label), input),
        el(
          "div",
          { class: "mw-buttons" },
          buttonOf("Cancel", () => answer(null)),
          el("button", { type: "submit", class: "mw-button mw-primary" }, button),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
    input?.select();
  });
}

/** Put a text to the clipboard; whether the browser lets a page do that. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Only pages of this machine, or over HTTPS, may.
    return false;
  }
}

function textOrder(left, right) {
  return left < right ? -1 : Number(left > right);
}
