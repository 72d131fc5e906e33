// Images: one step at a time, those of one step side by side.

import { el, replaceChildren } from "../dom.js";
import { formatNumber, formatTime } from "../format.js";

/** Draw a figure of kind "images". */
export function drawImages(body, first, frame) {
  let steps = stepsOf(first);
  let at = steps.length - 1;
  const shelf = el("div", { class: "mw-images" });
  const slider = el("input", {
    type: "range",
    min: "0",
    class: "mw-slider",
    "aria-label": "Step",
    oninput: () => go(Number(slider.value)),
  });
  const said = el("output", { class: "mw-slider-text" });
  const button = (name, title, by) =>
    el(
      "button",
      { type: "button", class: "mw-tool", title, "aria-label": title, onclick: () => go(at + by) },
      name,
    );
  const bar = el(
    "div",
    { class: "mw-slider-bar" },
    button("‹", "Step before", -1),
    slider,
    button("›", "Step after", 1),
    said,
  );
  body.append(shelf, bar);

  const go = (to) => {
    at = Math.min(Math.max(to, 0), steps.length - 1);
    draw();
  };

  const draw = () => {
    const current = steps[at];
    bar.hidden = steps.length < 2;
    slider.max = String(Math.max(steps.length - 1, 0));
    slider.value = String(at);
    const name = current ? nameOf(current, at) : "";
    said.textContent = `${name} (${formatNumber(at + 1)} of ${formatNumber(steps.length)})`;
    slider.setAttribute("aria-valuetext", name);
    const wanted = current?.images ?? [];
    const isSame =
      shelf.children.length === wanted.length &&
      wanted.every((image, i) => shelf.children[i].dataset.path === keyOf(image));
    if (!isSame) {
      replaceChildren(
        shelf,
        wanted.map(pictureOf),
        wanted.length ? null : el("p", { class: "mw-empty" }, "No images."),
      );
    }
  };

  const pictureOf = (image) => {
    const url = frame.options.image?.(image.path, image.run ?? null);
    if (!url) {
      return el(
        "figure",
        { class: "mw-image", dataset: { path: keyOf(image) } },
        el("p", { class: "mw-empty" }, `${image.path} is not in this file.`),
      );
    }
    const picture = el("img", {
      src: url,
      alt: image.label || image.path,
      title: image.path,
      decoding: "async",
    });
    picture.addEventListener("error", () => {
      picture.replaceWith(el("p", { class: "mw-empty" }, image.path));
    });
    const caption = image.label ? el("figcaption", { title: image.label }, image.label) : null;
    return el(
      "figure",
      { class: "mw-image", dataset: { path: keyOf(image) } },
      el("a", { href: url, target: "_blank", rel: "noopener" }, picture),
      caption,
    );
  };

  const show = (figure) => frame.setNote([figure.note]);
  show(first);
  draw();
  return {
    update(figure) {
      // Who looks at the last sees the new last; who looks back stays.
      const wasLast = at === steps.length - 1;
      steps = stepsOf(figure);
      at = wasLast ? steps.length - 1 : Math.min(at, steps.length - 1);
      show(figure);
      draw();
    },
    set() {},
    destroy() {},
  };
}

// Images by their steps; without steps each in its turn, those of several runs side by side.
function stepsOf(figure) {
  const groups = new Map();
  const turns = new Map();
  for (const image of figure.images) {
    const turn = turns.get(image.run) ?? 0;
    turns.set(image.run, turn + 1);
    const key = image.step === null || image.step === undefined ? `turn ${turn}` : image.step;
    groups.set(key, [...(groups.get(key) ?? []), image]);
  }
  const steps = [...groups].map(([key, images]) => ({ key, images }));
  return steps.every(({ key }) => typeof key === "number")
    ? steps.sort((a, b) => a.key - b.key)
    : steps;
}

function nameOf({ key, images }, at) {
  if (typeof key === "number") {
    return `step ${formatNumber(key)}`;
  }
  return images[0].time ? formatTime(images[0].time) : `image ${formatNumber(at + 1)}`;
}

function keyOf(image) {
  return JSON.stringify([image.path, image.run ?? null]);
}
