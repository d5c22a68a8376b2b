// What every view is made of: the template tag, live data, and the small parts that show one thing.

import { Fragment, h } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import htm from "htm";
import { RequestError, get } from "./api.js";
import { time, utc, words } from "./format.js";

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = htm.bind(h);
export { Fragment, useCallback, useEffect, useRef, useState };

// Addresses

const listeners = new Set();

/** Shows another address of the console. @param {string} address @param {{replace?: boolean}} [options] */
export function navigate(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  for (const listener of listeners) listener();
}

/** The address, as the view sees it. */
export function useAddress() {
  const [address, setAddress] = useState(location.pathname + location.search);
  useEffect(() => {
    const changed = () => setAddress(location.pathname + location.search);
    listeners.add(changed);
    addEventListener("popstate", changed);
    return () => {
      listeners.delete(changed);
      removeEventListener("popstate", changed);
    };
  }, []);
  const url = new URL(address, location.origin);
  return { path: url.pathname, parameters: url.searchParams };
}

/** Changes parameters of the address; an empty value removes one. @param {Record<string, string>} changes @param {{replace?: boolean}} [options] */
export function setParameters(changes, options) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  navigate(url.pathname + url.search, options);
}

// Data

/**
 * What is at a path, read again every `everyMs` while the page is visible.
 *
 * @param {string|null} path null for nothing
 * @param {number} [everyMs]
 * @returns {{data: any, error: RequestError|null, reload: () => void, isFresh: boolean}}
 */
export function useData(path, everyMs) {
  const [state, setState] = useState({ path: /** @type {string|null} */ (null), data: /** @type {any} */ (null), error: /** @type {RequestError|null} */ (null) });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    let timer = 0;
    const read = async () => {
      if (!document.hidden) {
        try {
          const data = await get(path, abort.signal);
          setState({ path, data, error: null });
        } catch (error) {
          if (abort.signal.aborted) return;
          setState((before) => ({ path, data: before.path === path ? before.data : null, error: /** @type {RequestError} */ (error) }));
        }
      }
      if (everyMs && !abort.signal.aborted) timer = setTimeout(read, everyMs);
    };
    read();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [path, everyMs, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  const isFresh = state.path === path;
  // The rows of another filter stay until the new ones are there, so the page does not jump.
  return { data: state.data, error: isFresh ? state.error : null, reload, isFresh };
}

/** The document's title. @param {string} title */
export function useTitle(title) {
  useEffect(() => {
    document.title = `${title} · order-saga`;
  }, [title]);
}

// Parts

/** A time, in the reader's zone, with UTC on hover. @param {{ms: number|null|undefined}} props */
export function Time({ ms }) {
  if (ms === null || ms === undefined) return html`<span class="quiet">–</span>`;
  return html`<time dateTime=${new Date(ms).toISOString()} title=${utc(ms)}>${time(ms)}</time>`;
}

/** Copies a text. @param {{text: string, what: string, label?: string}} props */
export function Copy({ text, what, label }) {
  const [isDone, setIsDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setIsDone(true);
    setTimeout(() => setIsDone(false), 1500);
  };
  return html`<button type="button" class=${label ? "small" : "icon"} onClick=${copy} title=${`Copy ${what}`} aria-label=${label ? undefined : `Copy ${what}`}>
    <svg viewBox="0 0 16 16" aria-hidden="true"><path d=${isDone ? "M3 8.5 6.5 12 13 4.5" : "M5.5 5.5v-3h8v8h-3m-8-5h8v8h-8z"} /></svg>
    ${label && html`<span>${isDone ? "Copied" : label}</span>`}
    ${isDone && html`<span class="unseen" role="status">copied</span>`}
  </button>`;
}

/** An id, short, with a way to copy it. @param {{id: string, what: string, whole?: boolean}} props */
export function Id({ id, what, whole = false }) {
  return html`<span class="id"><code title=${id}>${whole ? id : id.slice(0, 8)}</code><${Copy} text=${id} what=${what} /></span>`;
}

/** The colour of a status, always beside its word. */
const TONES = /** @type {Record<string, string>} */ ({
  SUCCEEDED: "good", CONFIRMED: "good", FULFILLED: "good", APPLIED: "good", CONSUMED: "good",
  RUNNING: "live", PENDING: "live", FULFILLING: "live", INTENDED: "live",
  FAILED: "bad", TIMED_OUT: "late", ABORTED: "bad", PARKED: "bad",
  CANCELLED: "undone", CANCELLING: "undone",
});

/** A status in words. A failed execution of a saga has only left its order open. @param {string} status */
export function statusWords(status) {
  return { ABORTED: "Died", FAILED: "Unfinished" }[/** @type {"FAILED"} */ (status)] ?? words(status);
}

/** @param {{status: string, label?: string}} props */
export function Badge({ status, label }) {
  return html`<span class=${`badge ${TONES[status] ?? ""}`}>${label ?? statusWords(status)}</span>`;
}

/** A problem in words. @param {{error: RequestError|null, retry?: () => void}} props */
export function Problem({ error, retry }) {
  if (!error) return null;
  const { title, detail, errors, type } = error.problem;
  return html`<div class="problem" role="alert">
    <strong>${title ?? "Something went wrong"}</strong>
    ${detail && detail !== title && html`<p>${detail}</p>`}
    ${errors && html`<ul>${errors.map((one) => html`<li>${where(one) && html`<code>${where(one)}</code> `}${one.detail}</li>`)}</ul>`}
    ${type && html`<p class="quiet"><code>${type.split(":").pop()}</code> · HTTP ${error.status}</p>`}
    ${retry && html`<button type="button" class="small" onClick=${retry}>Try again</button>`}
  </div>`;
}

/** @param {{pointer?: string, parameter?: string, header?: string}} violation */
function where({ pointer, parameter, header }) {
  return pointer?.replace(/^#\//, "") ?? parameter ?? header ?? "";
}

/** What a list without rows says: why, and what to do next. @param {{title: string, children?: any}} props */
export function Empty({ title, children }) {
  return html`<div class="empty"><p><strong>${title}</strong></p>${children}</div>`;
}

/** @param {{title: any, about?: any, children?: any}} props */
export function Head({ title, about, children }) {
  return html`<header class="head"><div><h1 tabIndex=${-1}>${title}</h1>${about && html`<p class="about">${about}</p>`}</div>${children && html`<div class="actions">${children}</div>`}</header>`;
}

/** JSON, readable. @param {{value: unknown, label: string}} props */
export function Json({ value, label }) {
  const text = JSON.stringify(value, null, 2) ?? "nothing";
  return html`<div class="json"><pre tabIndex=${0} aria-label=${label}>${coloured(text)}</pre><${Copy} text=${text} what=${label} /></div>`;
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** @param {string} text */
function coloured(text) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > at) parts.push(text.slice(at, match.index));
    const kind = match[2] ? "key" : match[1] ? "text" : "number";
    parts.push(html`<span class=${kind}>${match[1] ?? match[0]}</span>`);
    if (match[2]) parts.push(match[2]);
    at = match.index + match[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}

/** A field of a form with its label. @param {{label: string, hint?: string, children?: any, class?: string}} props */
export function Field({ label, hint, children, class: more = "" }) {
  return html`<label class=${`field ${more}`}><span>${label}</span>${children}${hint && html`<small>${hint}</small>`}</label>`;
}

/** Loads a stylesheet once, for a view that not everyone opens. @param {string} path */
export function style(path) {
  if (document.querySelector(`link[href="${path}"]`)) return;
  document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: path }));
}
