// The requests: to the order API, and to `/_local` of a stack on this machine.

/**
 * @typedef {{type?: string, title?: string, detail?: string, status?: number|string, errors?: {detail: string, pointer?: string, parameter?: string, header?: string}[]}} ProblemDocument
 * @typedef {{status: number, body: any, headers: Headers}} Answer
 */

/** An answer that is a problem, or no answer. */
export class RequestError extends Error {
  /**
   * @param {number} status 0 if there was no answer
   * @param {ProblemDocument} problem
   */
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

const KEY = "api-key";

/** The token or API key that requests are sent with. It is kept until the tab is closed. */
export function apiKey() {
  return sessionStorage.getItem(KEY) ?? "";
}

/** @param {string} key */
export function setApiKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

/** Told when the API no longer takes the token. @type {() => void} */
let onRefused = () => {};

/** @param {() => void} listener */
export function whenRefused(listener) {
  onRefused = listener;
}

/** A token is a JWT: three parts, separated by dots. @param {string} credential */
const isToken = (credential) => /^[\w-]+\.[\w-]+\.[\w-]+$/.test(credential);

/** @param {string} credential @returns {Record<string, string>} */
function credentialHeader(credential) {
  if (!credential) return {};
  return isToken(credential) ? { authorization: `Bearer ${credential}` } : { "x-api-key": credential };
}

/** The same header for a command, which names a variable: a copied command must not have the secret. @param {string} credential @returns {Record<string, string>} */
function placeholder(credential) {
  if (!credential) return {};
  return isToken(credential) ? { authorization: "Bearer $TOKEN" } : { "x-api-key": "$API_KEY" };
}

/** @typedef {{authorize: string, token: string, logout: string, clientId: string, scope: string}} Issuer */

const hosting = /** @type {HTMLMetaElement|null} */ (document.querySelector('meta[name="sign-in"]'));

/**
 * Where to sign in; null on a local stack, where anybody may open the console. If there is an issuer, the pages are hosted at
 * the API's own address, and nothing is on this machine.
 *
 * @type {Issuer|null}
 */
export const issuer = hosting && JSON.parse(hosting.content);

let deployment = "";

/** Whether there is a `/_local` of a stack on this machine, which operations act on. */
export async function isOwnStack() {
  return !issuer && !(await operated());
}
/** @type {Promise<string>|undefined} */
let asked;

/** The address of the deployment that operations act on; empty for this machine. */
export function operated() {
  if (issuer) return Promise.resolve("");
  asked ??= fetch("/_local/deployment")
    .then((answer) => (answer.ok ? answer.json() : { url: null }))
    .then(({ url }) => (deployment = url ?? ""))
    .catch(() => "");
  return asked;
}

/**
 * Sends a request.
 *
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, headers?: Record<string, string>, accept?: number[], signal?: AbortSignal, isHere?: boolean}} [options]
 *   `accept` are the statuses besides 2xx that are answers and no problems; `isHere` is a request to this machine's API
 *   even if operations act on a deployment
 * @returns {Promise<Answer>}
 */
export async function send(method, path, { body, headers = {}, accept = [], signal, isHere = false } = {}) {
  const isLocal = isHere || path.startsWith("/_local/");
  const key = isLocal ? "" : apiKey();
  const prefix = !isLocal && (await operated()) ? "/_api" : "";
  let response;
  try {
    response = await fetch(prefix + path, {
      method,
      signal,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...credentialHeader(key),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new RequestError(0, { title: "No answer", detail: issuer ? "The API cannot be reached. Check the connection." : "The server cannot be reached. Is order-saga serve still running?" });
  }
  const text = await response.text();
  let parsed;
  try {
    parsed = text ? JSON.parse(text) : undefined;
  } catch {
    parsed = undefined;
  }
  if (response.status === 401 && issuer) onRefused();
  if (!response.ok && !accept.includes(response.status)) {
    throw new RequestError(response.status, parsed ?? { title: `HTTP ${response.status}` });
  }
  return { status: response.status, body: parsed, headers: response.headers };
}

/** @param {string} path @param {AbortSignal} [signal] */
export async function get(path, signal) {
  return (await send("GET", path, { signal })).body;
}

/**
 * A path's query, without empty parameters.
 *
 * @param {Record<string, string|number|undefined|null>} parameters
 */
export function query(parameters) {
  const set = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
  return text ? `?${text}` : "";
}

/**
 * The request as a command for a shell.
 *
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, headers?: Record<string, string>}} [options]
 */
export function curl(method, path, { body, headers = {} } = {}) {
  const quote = (/** @type {string} */ text) => `'${text.replaceAll("'", `'\\''`)}'`;
  /** @type {Record<string, string>} */
  const secret = path.startsWith("/_local/") ? {} : placeholder(apiKey());
  const all = { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers, ...secret };
  const origin = path.startsWith("/_local/") ? location.origin : deployment || location.origin;
  const parts = ["curl", "-s", ...(method === "GET" ? [] : ["-X", method]), quote(origin + path)];
  for (const [name, value] of Object.entries(all)) {
    parts.push("-H", Object.hasOwn(secret, name) ? `"${name}: ${value}"` : quote(`${name}: ${value}`));
  }
  if (body !== undefined) parts.push("-d", quote(JSON.stringify(body)));
  return parts.join(" ");
}
