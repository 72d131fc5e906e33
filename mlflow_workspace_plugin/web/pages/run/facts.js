// What a run was given and says of itself, beside its figures.

import { el, replaceChildren } from "../../dom.js";
import { formatNumber } from "../../format.js";
import { ask, mlflowUrl, pathOf } from "../api.js";
import { section } from "../shell.js";

/** Show parameters, tags, properties, data and models of a run. */
export function showFacts(host, overview) {
  const { params, tags, properties, datasets, models } = overview;
  replaceChildren(
    host,
    pairs("Parameters", params),
    pairs("Tags", tags),
    datasets.length > 0 && section("Data", el("ul", { class: "mw-list" }, datasets.map(datasetEntry))),
    models.length > 0 && section("Models", el("ul", { class: "mw-list" }, models.map(modelEntry))),
    pairs("Properties", properties),
  );
}

/** Show whether all that was logged can be read: `load()` asks, which counts all rows. */
export function newReceipt(host, runId) {
  const place = el("div", null);
  const load = async () => {
    try {
      showReceipt(place, await ask(`${pathOf("runs", runId)}/receipt`), load);
    } catch (error) {
      replaceChildren(place, el("p", { class: "mw-muted" }, error.message));
    }
  };
  host.append(section("Receipt", place));
  return { load };
}

function showReceipt(place, receipt, load) {
  const { result, sums, metrics, unknown, damaged_lines: damaged } = receipt;
  const words = {
    equal: "All that was logged is stored.",
    different: "Not all that was logged is stored.",
    unknown: "Nobody can tell whether all is stored.",
  };
  const odd = Object.entries(sums).filter(([name, count]) => count > 0 && !["logged", "stored"].includes(name));
  const isOdd = ({ refused, dropped, lost, missing, waiting }) => refused + dropped + lost + missing + waiting > 0;
  replaceChildren(
    place,
    el("p", { class: "mw-receipt", dataset: { status: result === "equal" ? "good" : result === "unknown" ? "idle" : "busy" } }, words[result]),
    el(
      "dl",
      { class: "mw-facts" },
      factRow("Logged", formatNumber(sums.logged)),
      factRow("Stored", formatNumber(sums.stored)),
      odd.map(([name, count]) => factRow(nameOfCount(name), formatNumber(count))),
      damaged > 0 && factRow("Damaged lines", formatNumber(damaged)),
    ),
    metrics.filter(isOdd).map((each) => el("p", { class: "mw-muted" }, oddMetric(each))),
    unknown.map((sentence) => el("p", { class: "mw-muted" }, sentence)),
    el("button", { type: "button", class: "mw-tool", onclick: load }, "Look again"),
  );
}

function oddMetric(metric) {
  const counts = ["waiting", "refused", "dropped", "lost", "missing"]
    .filter((name) => metric[name] > 0)
    .map((name) => `${formatNumber(metric[name])} ${name}`);
  return `${metric.metric}: ${counts.join(", ")}`;
}

function nameOfCount(name) {
  const text = name === "not_ours" ? "by other clients" : name;
  return text[0].toUpperCase() + text.slice(1);
}

function pairs(heading, values) {
  if (values.length === 0) {
    return null;
  }
  return section(heading, el("dl", { class: "mw-facts" }, values.map(([name, value]) => factRow(name, value))));
}

function factRow(name, value) {
  return el(
    "div",
    null,
    el("dt", { title: name }, name),
    el("dd", { title: value ?? "" }, value === null ? el("span", { class: "mw-muted" }, "none") : value),
  );
}

function datasetEntry({ name, digest, used_as: usedAs, mode, is_output: isOutput, context, source }) {
  const how = [isOutput ? "made" : "read", usedAs && `as ${usedAs}`, mode && `by ${mode}`, !isOutput && context !== "input" && context];
  return el(
    "li",
    null,
    el("strong", null, name),
    el("span", { class: "mw-muted" }, ` ${how.filter(Boolean).join(" ")}`),
    source && el("div", { class: "mw-muted mw-break" }, source),
    digest && el("div", { class: "mw-muted" }, el("code", null, digest)),
  );
}

function modelEntry({ use, name, version, page }) {
  return el(
    "li",
    null,
    el("a", { href: mlflowUrl(page) }, version === null ? name : `${name}, version ${version}`),
    el("span", { class: "mw-muted" }, ` ${use}`),
  );
}
