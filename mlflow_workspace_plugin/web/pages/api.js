// What pages ask of the server: each request names the workspace that the page is of.

const ROOT = "/pages";

/** What the server refused or could not do, in its words. */
export class PageError extends Error {
  constructor(message, { status = 0, isRunGone = false } = {}) {
    super(message);
    this.status = status;
    // Whether it says of what was asked for that there is none, and not of the hub around it.
    this.isRunGone = isRunGone;
  }
}

/** The workspace that the address names; "" stands for the default one. */
function workspaceOfPage() {
  return new URLSearchParams(location.search).get("workspace") ?? "";
}

/** The address of a page of ours, such as pageUrl("/runs/ab12"), in the workspace of this one. */
export function pageUrl(path, parameters = {}) {
  return ROOT + path + queryOf(parameters);
}

/** The address of data, such as apiUrl("/runs/ab12/file", {path: "outputs/x.png"}). */
export function apiUrl(path, parameters = {}) {
  return `${ROOT}/api${path}${queryOf(parameters)}`;
}

/** The address of a page of MLflow's UI, such as mlflowUrl("experiments/1/runs/ab12"). */
export function mlflowUrl(page) {
  return `/#/${page}${queryOf({ workflowType: "machine_learning" })}`;
}

/** Parts of a path, each escaped: pathOf("runs", id). */
export function pathOf(...parts) {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join("");
}

/**
 * Ask for data.
 *
 * @param {string} path below /pages/api, such as "/runs/ab12".
 * @param {object} parameters of the query; null and undefined are left out.
 * @param {object} options `signal`, to give it up.
 * @returns {Promise<any>} what the server says; rejects with a PageError.
 */
export function ask(path, parameters = {}, { signal } = {}) {
  return answered(apiUrl(path, parameters), { signal });
}

/** Send data, as JSON: `method` is POST, PUT, PATCH or DELETE. */
export function send(path, body, { method = "POST", parameters = {}, signal } = {}) {
  const headers = { "Content-Type": "application/json" };
  return answered(apiUrl(path, parameters), { method, headers, body: JSON.stringify(body), signal });
}

async function answered(url, options) {
  let response;
  try {
    response = await fetch(url, { ...options, credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }
    throw new PageError("The server does not answer. Is mlflow-workspace ui still running?");
  }
  const text = await response.text();
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    // Such as the entrance, which speaks before any page of ours.
    said = { message: text.trim().slice(0, 500) || response.statusText };
  }
  if (!response.ok) {
    const isRunGone = said.is_run_gone === true;
    throw new PageError(said.message ?? response.statusText, { status: response.status, isRunGone });
  }
  return said;
}

function queryOf(parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ workspace: workspaceOfPage(), ...parameters })) {
    if (value !== null && value !== undefined && value !== "") {
      query.set(name, value);
    }
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}
