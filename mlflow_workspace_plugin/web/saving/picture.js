// A figure as it is seen, painted once more: there is no other way from elements to a picture.

const SCALE = 2;
// What is for the hand, or for the moment.
const NOT_IN_PICTURES = ".mw-tools, .mw-tool, .mw-spoken, .mw-readout, .mw-busy, .u-over, select, input";

/**
 * Paint an element and what is in it.
 *
 * @param {HTMLElement} element whose place is on the page, seen or not.
 * @param {string} ground the colour below it.
 * @returns {HTMLCanvasElement}
 */
export function paintElement(element, ground) {
  const { left, top, width, height } = element.getBoundingClientRect();
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(width * SCALE);
  canvas.height = Math.ceil(height * SCALE);
  const context = canvas.getContext("2d");
  context.fillStyle = ground;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.scale(SCALE, SCALE);
  context.translate(-left, -top);
  paintChildren(context, element);
  return canvas;
}

function paintChildren(context, element) {
  for (const child of element.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) {
      paintText(context, child);
    } else if (child.nodeType === Node.ELEMENT_NODE && !child.matches(NOT_IN_PICTURES)) {
      paintOne(context, child);
    }
  }
}

function paintOne(context, element) {
  const style = getComputedStyle(element);
  const rect = element.getBoundingClientRect();
  if (style.display === "none" || style.visibility === "hidden") {
    return;
  }
  context.save();
  context.globalAlpha *= Number(style.opacity);
  paintGround(context, element, style, rect);
  if (element.tagName === "CANVAS") {
    context.drawImage(element, rect.left, rect.top, rect.width, rect.height);
  } else if (element.tagName === "IMG" && element.naturalWidth > 0) {
    const by = Math.min(rect.width / element.naturalWidth, rect.height / element.naturalHeight);
    const [width, height] = [element.naturalWidth * by, element.naturalHeight * by];
    context.drawImage(element, rect.left + (rect.width - width) / 2, rect.top + (rect.height - height) / 2, width, height);
  } else if (element instanceof SVGSVGElement) {
    paintDrawing(context, element, rect);
  } else {
    if (style.overflow !== "visible") {
      context.beginPath();
      context.rect(rect.left, rect.top, rect.width, rect.height);
      context.clip();
    }
    paintChildren(context, element);
  }
  context.restore();
}

function paintGround(context, element, style, { left, top, width, height }) {
  if (element.dataset.dash) {
    context.fillStyle = element.dataset.dash;
    for (let x = 0; x < width; x += 7) {
      context.fillRect(left + x, top, Math.min(4, width - x), height);
    }
    return;
  }
  context.fillStyle = style.backgroundColor;
  context.beginPath();
  context.roundRect(left, top, width, height, parseFloat(style.borderRadius) || 0);
  context.fill();
  const line = parseFloat(style.borderBottomWidth);
  if (line > 0 && style.borderBottomStyle !== "none") {
    context.fillStyle = style.borderBottomColor;
    context.fillRect(left, top + height - line, width, line);
  }
}

// What drawings of ours are made of.
function paintDrawing(context, drawing, { left, top }) {
  context.translate(left, top);
  for (const shape of drawing.querySelectorAll("line, circle, text")) {
    const style = getComputedStyle(shape);
    context.globalAlpha = Number(style.fillOpacity);
    context.fillStyle = style.fill;
    context.strokeStyle = style.stroke === "none" ? "transparent" : style.stroke;
    context.lineWidth = parseFloat(style.strokeWidth);
    context.beginPath();
    if (shape.tagName === "text") {
      context.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
      context.textAlign = { middle: "center", end: "right" }[style.textAnchor] ?? "left";
      context.fillText(shape.textContent, shape.x.baseVal[0].value, shape.y.baseVal[0].value);
    } else if (shape.tagName === "line") {
      context.moveTo(shape.x1.baseVal.value, shape.y1.baseVal.value);
      context.lineTo(shape.x2.baseVal.value, shape.y2.baseVal.value);
      context.stroke();
    } else {
      context.arc(shape.cx.baseVal.value, shape.cy.baseVal.value, shape.r.baseVal.value, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
  }
}

function paintText(context, node) {
  if (node.data.trim() === "") {
    return;
  }
  const parent = node.parentElement;
  const style = getComputedStyle(parent);
  context.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  context.fillStyle = style.color;
  const range = document.createRange();
  range.selectNodeContents(node);
  if (style.writingMode !== "horizontal-tb") {
    paintUpright(context, node.data, range.getBoundingClientRect());
    return;
  }
  if (style.textOverflow === "ellipsis" && parent.scrollWidth > parent.clientWidth) {
    paintLine(context, fittingText(context, node.data, parent.clientWidth), range.getBoundingClientRect());
    return;
  }
  for (const { index, 0: word } of node.data.matchAll(/\S+/g)) {
    paintPiece(context, node, index, word, range);
  }
  if (style.textDecorationLine === "line-through") {
    const { left, top, width, height } = parent.getBoundingClientRect();
    context.fillRect(left, top + height / 2, width, 1);
  }
}

// A word stands where it does; one that is broken, letter by letter.
function paintPiece(context, node, start, text, range) {
  range.setStart(node, start);
  range.setEnd(node, start + text.length);
  const letters = [...text];
  const rects = range.getClientRects();
  if (rects.length === 1 || letters.length === 1) {
    paintLine(context, text, rects[0] ?? range.getBoundingClientRect());
    return;
  }
  let at = start;
  for (const letter of letters) {
    paintPiece(context, node, at, letter, range);
    at += letter.length;
  }
}

function paintLine(context, text, { left, top, height }) {
  const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = context.measureText(text);
  context.fillText(text, left, top + (height - up - down) / 2 + up);
}

function paintUpright(context, text, { left, top, width, height }) {
  context.save();
  context.translate(left + width / 2, top + height / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, 0, 0);
  context.restore();
}

function fittingText(context, text, width) {
  let fitting = text;
  while (fitting.length > 1 && context.measureText(`${fitting}…`).width > width) {
    fitting = fitting.slice(0, -1);
  }
  return `${fitting}…`;
}
