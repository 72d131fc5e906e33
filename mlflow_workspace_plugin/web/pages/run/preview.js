// What is shown of a file: an image, or text as text, whatever it says.

import { el, replaceChildren } from "../../dom.js";
import { formatBytes } from "../../format.js";

/** Show a file, as the server's preview says; `imageUrl` is where an image is. */
export function showPreview(host, path, preview, imageUrl, downloadUrl) {
  const title = el(
    "header",
    { class: "mw-bar" },
    el("strong", { class: "mw-break" }, path),
    el("span", { class: "mw-muted" }, formatBytes(preview.size)),
    downloadUrl && el("a", { class: "mw-tool", href: downloadUrl, download: "" }, "Download"),
  );
  let body = el("p", { class: "mw-muted" }, "This is no text. Download it to look at it.");
  if (preview.kind === "image") {
    body = el("img", { class: "mw-preview-image", src: imageUrl, alt: path });
  } else if (preview.kind === "text") {
    body = el("pre", { class: "mw-preview-text", tabindex: "0" }, preview.text);
  }
  replaceChildren(host, title, body, preview.cut && el("p", { class: "mw-note" }, "Only the beginning is shown."));
}
