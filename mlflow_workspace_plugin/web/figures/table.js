// A table, a page of rows at a time.

import { el, replaceChildren } from "../dom.js";
import { formatCell, formatNumber, isNumberCell } from "../format.js";
import { newTurns } from "../turns.js";

/** Draw a figure of kind "table". */
export function drawTable(body, first, frame) {
  let figure = first;
  let page = { offset: first.offset, rows: first.rows };
  // Sorted are the rows that are here, so only where these are all.
  let order = null;
  const turn = newTurns();
  // Of the first pages that were drawn, the longest: a short table may grow.
  let size = Math.max(first.rows.length, 1);
  const scroll = el("div", { class: "mw-table-scroll", tabindex: "0", role: "group" });
  const pager = el("div", { class: "mw-pager" });
  body.append(scroll, pager);

  const isWhole = () => page.rows.length === figure.total;

  let going = 0;
  const go = async (offset, { isRenewed = false } = {}) => {
    const isLast = turn();
    going += 1;
    const answer = await frame.options.rows(figure.id, offset, size).catch((error) => error);
    going -= 1;
    if (!isLast()) {
      return;
    }
    if (answer instanceof Error) {
      frame.say(`The rows could not be read: ${answer.message}`);
      return;
    }
    frame.say(null);
    page = { offset: answer.offset ?? offset, rows: answer.rows };
    figure = { ...figure, total: answer.total ?? figure.total };
    draw();
    if (!isRenewed) {
      scroll.scrollTop = 0;
    }
  };

  const sortBy = (column) => {
    if (order?.column !== column) {
      order = { column, isDown: false };
    } else {
      order = order.isDown ? null : { column, isDown: true };
    }
    draw();
  };

  const head = (name, column) => {
    const kind = page.rows.some((row) => isNumberCell(row[column])) ? "is-number" : null;
    if (!isWhole() || page.rows.length < 2) {
      return el("th", { scope: "col", class: kind }, name);
    }
    const way = order?.column === column ? (order.isDown ? "descending" : "ascending") : "none";
    return el(
      "th",
      { scope: "col", class: kind, "aria-sort": way },
      el("button", { type: "button", class: "mw-sort", onclick: () => sortBy(column) }, name),
    );
  };

  const draw = () => {
    const rows = order !== null && isWhole() ? sortedRows(page.rows, order) : page.rows;
    scroll.setAttribute("aria-label", `${figure.title}, table`);
    replaceChildren(
      scroll,
      el(
        "table",
        { class: "mw-table" },
        el("thead", null, el("tr", null, figure.columns.map(head))),
        el(
          "tbody",
          null,
          rows.map((row) => el("tr", null, row.map(cellOf))),
        ),
      ),
    );
    drawPager();
    frame.setNote([figure.note]);
  };

  const drawPager = () => {
    pager.hidden = isWhole() && page.rows.length <= 1;
    const last = page.offset + page.rows.length;
    const text = isWhole()
      ? `${formatNumber(figure.total)} rows`
      : `${formatNumber(page.offset + 1)}-${formatNumber(last)} of ${formatNumber(figure.total)} rows`;
    const step = (name, title, offset, isOff) =>
      el(
        "button",
        {
          type: "button",
          class: "mw-tool",
          title,
          "aria-label": title,
          disabled: isOff,
          onclick: () => go(offset),
        },
        name,
      );
    const canPage = !isWhole() && frame.options.rows;
    replaceChildren(
      pager,
      el("span", null, text),
      canPage
        ? [
            step("«", "First rows", 0, page.offset === 0),
            step("‹", "Rows before", Math.max(0, page.offset - size), page.offset === 0),
            step("›", "Rows after", last, last >= figure.total),
            step(
              "»",
              "Last rows",
              Math.max(0, Math.floor((figure.total - 1) / size) * size),
              last >= figure.total,
            ),
          ]
        : null,
    );
  };

  draw();
  return {
    update(other) {
      // Who reads another page keeps it; of the first, and the last, there are new rows.
      const isFirst = page.offset === first.offset;
      const wasLast = page.offset + page.rows.length >= figure.total;
      figure = { ...other };
      size = Math.max(size, other.rows.length);
      if (isFirst) {
        page = { offset: other.offset, rows: other.rows };
      }
      draw();
      // Who is on the way to another page is not kept back.
      if (!isFirst && wasLast && going === 0 && frame.options.rows) {
        go(page.offset, { isRenewed: true });
      }
    },
    set() {},
    destroy() {},
  };
}

function cellOf(cell) {
  const text = formatCell(cell);
  const kind = isNumberCell(cell) ? "is-number" : cell === null ? "is-missing" : null;
  return el(
    "td",
    { class: kind, title: text.length > 40 ? text : null },
    cell === null ? "–" : text,
  );
}

function sortedRows(rows, { column, isDown }) {
  const key = (row) => {
    const cell = row[column];
    const number =
      typeof cell === "number" ? cell : isNumberCell(cell) ? Number(cell.number) : null;
    return { cell, number };
  };
  const compare = (a, b) => {
    // What is missing, then numbers, NaN last among them, then text.
    const [rankA, rankB] = [rank(a), rank(b)];
    if (rankA !== rankB) {
      return rankA - rankB;
    }
    if (rankA === 1) {
      return a.number - b.number;
    }
    const [textA, textB] = [String(a.cell), String(b.cell)];
    return textA < textB ? -1 : textA > textB ? 1 : 0;
  };
  const sorted = rows.map((row, index) => ({ row, index, ...key(row) }));
  sorted.sort((a, b) => (isDown ? compare(b, a) : compare(a, b)) || a.index - b.index);
  return sorted.map(({ row }) => row);
}

function rank({ cell, number }) {
  if (cell === null) {
    return 0;
  }
  return number === null ? 3 : Number.isNaN(number) ? 2 : 1;
}
