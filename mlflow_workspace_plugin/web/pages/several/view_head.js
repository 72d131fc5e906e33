// The head of a view: its name, who may change it, and what can be done with it.

import { el, replaceChildren } from "../../dom.js";
import { apiUrl, pageUrl, pathOf, send } from "../api.js";
import { askFor, buttonOf, copyText, tickBox } from "./parts.js";

/**
 * Build the head of a comparison, which is a view once it was saved.
 *
 * @param {{page: {saved, definition}, titleOf: function(): string, onSaved: function(object),
 *   onChanged: function()}} given
 * @returns {{element, show(), changed()}} `changed`: what is shown differs from what was saved.
 */
export function viewHead({ page, titleOf, onSaved, onChanged }) {
  const element = el("header", { class: "mw-view-head" });
  let isChanged = false;
  let changes = 0;
  let said = "";
  let isBusy = false;

  const show = () => {
    const { saved } = page;
    replaceChildren(
      element,
      el("div", { class: "mw-view-title" }, el("h1", null, titleOf()), saved !== null && isChanged && el("span", { class: "mw-changed" }, "changed, not saved")),
      el("p", { class: "mw-muted" }, saved === null ? "Not saved. A view keeps the charts, the runs and the columns, and is shared by its link." : saved.who_may_change),
      el("div", { class: "mw-buttons" }, saved === null ? [save(true)] : buttonsOf(saved)),
      el("p", { class: "mw-note", role: "status", hidden: said === "" }, said),
    );
  };

  const buttonsOf = (saved) => [
    saved.may_change && buttonOf("Save", () => keep({ definition: page.definition, seen_at: saved.changed_at }), { class: "mw-button mw-primary", disabled: !isChanged }),
    saved.may_change && buttonOf("Rename", rename),
    buttonOf("Copy link", copyLink),
    el("a", { class: "mw-button", href: apiUrl(pathOf("views", saved.id, "text")), download: "" }, "Export"),
    buttonOf("Save a copy", () => create()),
    saved.may_change && buttonOf("Delete", remove),
    saved.is_own && tickBox("Everybody may change it", page.definition.may_change === "everybody", (isOn) =>
      keep({ definition: { ...saved.definition, may_change: isOn ? "everybody" : "owner" }, seen_at: saved.changed_at }, { keepsChanges: true }),
    ),
  ];

  const save = (isFirst) => buttonOf("Save as a view", () => create(), { class: isFirst ? "mw-button mw-primary" : "mw-button" });

  const tell = (text) => {
    said = text;
    show();
  };

  // One after the other: what is sent twice would be refused, as if others had changed it.
  const guarded = async (action) => {
    if (isBusy) {
      return;
    }
    isBusy = true;
    try {
      await action();
    } catch (error) {
      tell(error.message);
    } finally {
      isBusy = false;
    }
  };

  const create = () =>
    guarded(async () => {
      const name = await askFor("Save as a view", {
        label: "Name",
        value: page.saved === null ? "" : `${page.saved.name} (copy)`,
        note: "It is yours: you alone may change it, and everybody of this workspace sees it.",
      });
      if (name) {
        onSaved(await send("/views", { name, definition: { ...page.definition, may_change: "owner" } }));
      }
    });

  const keep = (body, { keepsChanges = false } = {}) =>
    guarded(async () => {
      const before = changes;
      const changed = await send(pathOf("views", page.saved.id), body, { method: "PATCH" });
      page.saved = { ...page.saved, ...changed };
      page.definition.may_change = changed.definition.may_change;
      if (!keepsChanges && body.definition && changes === before) {
        isChanged = false;
      }
      tell("Saved.");
      onChanged();
    });

  const rename = async () => {
    const name = await askFor("Rename the view", { label: "Name", value: page.saved.name, button: "Rename" });
    if (name) {
      await keep({ name });
    }
  };

  const remove = async () => {
    const isSure = await askFor(`Delete the view “${page.saved.name}”?`, { button: "Delete", note: "Its runs stay. Links to it lead nowhere then." });
    if (isSure) {
      await guarded(async () => {
        await send(pathOf("views", page.saved.id), {}, { method: "DELETE" });
        location.assign(pageUrl("/views"));
      });
    }
  };

  const copyLink = async () => {
    const link = new URL(pageUrl(pathOf("views", page.saved.id)), location.href).href;
    tell((await copyText(link)) ? "The link is copied." : link);
  };

  return {
    element,
    show,
    changed() {
      changes += 1;
      if (!isChanged && page.saved !== null) {
        isChanged = true;
        show();
      }
    },
  };
}
