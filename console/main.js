// The frame around every view, and which view an address shows.

import { render } from "preact";
import { apiKey, issuer, operated, setApiKey, whenRefused } from "./api.js";
import { Empty, html, navigate, useAddress, useEffect, useRef, useState } from "./elements.js";

/**
 * The views by address. A view's module is loaded when it is shown first; a part of the address in braces is passed
 * to it.
 *
 * @type {[string, () => Promise<{default: (props: any) => any}>][]}
 */
const VIEWS = [
  ["/console", () => import("./pages/executions.js")],
  ["/console/executions/{id}", () => import("./pages/execution.js")],
  ["/console/try", () => import("./pages/try.js")],
  ["/console/orders", () => import("./pages/orders.js")],
  ["/console/orders/{id}", () => import("./pages/order.js")],
  ["/console/picklist", () => import("./pages/picklist.js")],
  ["/console/stock", () => import("./pages/stock.js")],
  ["/console/accounts", () => import("./pages/accounts.js")],
  ["/console/parked", () => import("./pages/parked.js")],
  ["/console/api", () => import("./pages/api-description.js")],
];

const NAVIGATION = /** @type {[string, [string, string][]][]} */ ([
  ["This machine", [["Executions", "/console"], ["Try it", "/console/try"], ["Parked orders", "/console/parked"]]],
  ["Operations", [["Orders", "/console/orders"], ["Pick list", "/console/picklist"], ["Stock", "/console/stock"], ["Accounts", "/console/accounts"]]],
  ["Reference", [["API", "/console/api"]]],
]);

/** The views of this machine, which need no deployment. */
const LOCAL = NAVIGATION[0][1].map(([, address]) => address);

/** What a hosted console shows: it has no stack of its own to look at. */
const hosted = () => NAVIGATION.filter(([title]) => title === "Operations");

/** @param {string} path */
function find(path) {
  const parts = path.replace(/\/$/, "").split("/");
  for (const [pattern, load] of VIEWS) {
    const names = pattern.split("/");
    const fits = names.length === parts.length && names.every((name, index) => name.startsWith("{") || name === parts[index]);
    if (!fits) continue;
    const props = Object.fromEntries(names.flatMap((name, index) => (name.startsWith("{") ? [[name.slice(1, -1), decodeURIComponent(parts[index])]] : [])));
    return { load, props, pattern };
  }
  return null;
}

/** @typedef {typeof import("./sign-in.js")} Session */

/** @param {{session: Session|null, failure: string}} props `session` is that of a hosted console */
function App({ session, failure }) {
  const { path: address, parameters } = useAddress();
  const isHosted = session !== null;
  const path = isHosted && address.replace(/\/$/, "") === "/console" ? "/console/orders" : address;
  const navigation = isHosted ? hosted() : NAVIGATION;
  const isThere = !isHosted || navigation.some(([, links]) => links.some(([, href]) => isCurrent(path, href)));
  const found = isThere ? find(path) : null;
  const [isSignedIn, setIsSignedIn] = useState(!session || session.holder(apiKey()).isCurrent);
  const [why, setWhy] = useState(failure);
  useEffect(() => {
    whenRefused(() => {
      setApiKey("");
      setIsSignedIn(false);
      setWhy("Your sign-in has ended. Sign in again to go on here.");
    });
  }, []);
  const [shown, setShown] = useState(/** @type {{pattern: string, View: any}|null} */ (null));
  const [isOpen, setIsOpen] = useState(false);
  const main = useRef(/** @type {HTMLElement|null} */ (null));
  const isFirst = useRef(true);
  useEffect(() => {
    setIsOpen(false);
    let isCurrent = true;
    found?.load().then((module) => isCurrent && setShown({ pattern: found.pattern, View: module.default }));
    return () => {
      isCurrent = false;
    };
  }, [found?.pattern]);
  // A screen reader hears that another view is shown, and the keyboard starts there.
  useEffect(() => {
    if (!shown) return;
    if (!isFirst.current) {
      scrollTo(0, 0);
      main.current?.focus();
    }
    isFirst.current = false;
  }, [shown?.pattern, path]);
  const isReady = found && shown?.pattern === found.pattern;
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    <header class="bar">
      <a class="brand" href="/console"><svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true"><rect width="32" height="32" rx="7" /><path d="M9 10h9a5 5 0 0 1 0 10h-6m4-4-4 4 4 4" /><circle cx="9" cy="10" r="2.2" /></svg><span>order-saga</span></a>
      <button type="button" class="menu" aria-expanded=${isOpen} aria-controls="navigation" onClick=${() => setIsOpen(!isOpen)}>Menu</button>
      <nav id="navigation" class=${isOpen ? "open" : ""} aria-label="Console">
        ${navigation.map(([title, links]) => html`<section><h2>${title}</h2><ul>${links.map(([label, href]) => html`<li><a href=${href} aria-current=${isCurrent(path, href) ? "page" : undefined}>${label}</a></li>`)}</ul></section>`)}
        ${session ? isSignedIn && html`<${SignedIn} session=${session} />` : html`<${Key} isOperating=${!LOCAL.some((local) => isCurrent(path, local))} />`}
      </nav>
    </header>
    <main id="main" ref=${main} tabIndex=${-1}>
      ${!isSignedIn ? html`<${SignIn} session=${session} why=${why} />` : isReady ? html`<${shown.View} ...${found.props} parameters=${parameters} key=${path} />` : found ? html`<p class="boot">Loading…</p>` : html`<${Empty} title="There is no such page."><p><a href="/console">See the ${isHosted ? "orders" : "executions"}</a></p><//>`}
    </main>`;
}

/** @param {string} path @param {string} href */
function isCurrent(path, href) {
  if (href === "/console") return path === href || path.startsWith("/console/executions");
  return path === href || path.startsWith(`${href}/`);
}

/** @param {{session: Session, why: string}} props */
function SignIn({ session, why }) {
  return html`<header class="head"><h1>Orders, stock and accounts</h1></header>
    ${why && html`<p role="alert" class="problem">${why}</p>`}
    <p>This is for the shop's staff. Sign in to see it.</p>
    <p><button type="button" class="primary" onClick=${session.signIn}>Sign in</button></p>`;
}

/** Who is signed in. @param {{session: Session}} props */
function SignedIn({ session }) {
  return html`<section class="key"><h2>Signed in</h2><p class="quiet">${session.holder(apiKey()).name}</p><button type="button" class="small" onClick=${session.signOut}>Sign out</button></section>`;
}

/** Which client the requests are sent as, and where. @param {{isOperating: boolean}} props */
function Key({ isOperating }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    if (isOperating) operated().then(setUrl);
  }, [isOperating]);
  const [key, setKey] = useState(apiKey());
  const change = (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLInputElement} */ (event.target);
    setKey(value);
    setApiKey(value.trim());
  };
  return html`<section class="key"><h2><label for="api-key">Token or API key</label></h2>
    <input id="api-key" type="password" autocomplete="off" value=${key} onInput=${change} placeholder=${url ? "the deployment's" : "none: may do everything"} />
    ${url && html`<p class="quiet">Operations act on ${new URL(url).host}</p>`}</section>`;
}

// Links within the console change the view without loading the page again.
addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || link.target || !link.pathname.startsWith("/console") || link.hash) return;
  event.preventDefault();
  navigate(link.pathname + link.search);
});

const root = document.getElementById("app");
if (root) {
  // Only a hosted console needs it.
  const session = issuer ? await import("./sign-in.js") : null;
  const failure = (await session?.complete()) ?? "";
  root.textContent = "";
  render(html`<${App} session=${session} failure=${failure} />`, root);
}
