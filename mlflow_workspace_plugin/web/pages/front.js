// The front of a workspace: ways to its pages, and to those of the other workspaces of the hub.

import { el } from "../dom.js";
import { ask, mlflowUrl, pageUrl, pathOf } from "./api.js";
import { section, showError, showShell } from "./shell.js";

const { main, setTitle, hub: asked } = showShell("Workspace", "front");

Promise.all([asked, ask("/experiments")]).then(
  ([hub, { experiments }]) => {
    setTitle(hub.workspace_name);
    const others = hub.workspaces.filter((each) => each.workspace !== hub.workspace);
    main.append(
      el("h1", null, hub.workspace_name),
      section(
        "Pages",
        el(
          "ul",
          null,
          el("li", null, el("a", { href: mlflowUrl("experiments") }, "Experiments and runs"), ", in MLflow's UI"),
          el("li", null, el("a", { href: pageUrl("/views") }, "Views"), ": saved charts of chosen runs"),
          el("li", null, el("a", { href: pageUrl("/computes") }, "Computes"), ": what runs and what waits"),
        ),
      ),
      experiments.length > 0 &&
        section(
          "Experiments: any metric over their runs",
          el(
            "ul",
            null,
            experiments.map(({ id, name }) => el("li", null, el("a", { href: pageUrl(pathOf("experiments", id)) }, name))),
          ),
        ) || "",
      others.length > 0 &&
        section(
          "Other workspaces of this hub",
          el(
            "ul",
            null,
            others.map(({ workspace, name }) =>
              el("li", null, el("a", { href: pageUrl("/", { workspace }) }, name)),
            ),
          ),
        ) || "",
    );
  },
  (error) => showError(main, error),
);
