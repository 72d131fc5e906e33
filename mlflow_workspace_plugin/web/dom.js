// Elements. What comes from data is only ever text: there is no way from here to markup.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 *
 * @param {string} tag
 * @param {?object} props attributes by name, and of its own kind: `class`, `style` (an object),
 *   `dataset` (an object), `onclick` and the like (functions), and booleans, which set or leave out.
 * @param children elements, texts, numbers, lists of them; null and false are left out.
 * @returns {HTMLElement}
 */
export function el(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Make an element of a drawing, as `el` does. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG_NAMESPACE, tag), props, children);
}

/** Put children in the place of those that an element has. */
export function replaceChildren(element, ...children) {
  element.replaceChildren(...nodesOf(children));
}

/** Make a line icon of 16 by 16 from the path of its strokes. */
export function icon(path) {
  const drawn = svg("svg", { class: "mw-icon", viewBox: "0 0 16 16", "aria-hidden": "true" });
  drawn.append(svg("path", { d: path }));
  return drawn;
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    setProperty(element, name, value);
  }
  element.append(...nodesOf(children));
  return element;
}

function setProperty(element, name, value) {
  if (value === null || value === undefined || value === false) {
    return;
  }
  if (name === "style") {
    // By the object model, which a Content-Security-Policy allows; an attribute it does not.
    for (const [key, text] of Object.entries(value)) {
      element.style.setProperty(key, text);
    }
  } else if (name === "dataset") {
    Object.assign(element.dataset, value);
  } else if (typeof value === "function") {
    element.addEventListener(name.slice(2), value);
  } else {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

function nodesOf(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}
