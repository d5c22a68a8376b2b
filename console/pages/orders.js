// Orders by status, customer, store or county.

import { curl, issuer, query } from "../api.js";
import { Copy, Empty, Field, Head, Problem, html, navigate, setParameters, useData, useState, useTitle } from "../elements.js";
import { OrderRows, Pages } from "./order-rows.js";

const BY = /** @type {[string, string, (of: string) => string][]} */ ([
  ["customer", "Customer", (of) => `/customers/${encodeURIComponent(of)}/orders`],
  ["store", "Store", (of) => `/stores/${encodeURIComponent(of)}/orders`],
  ["county", "County", (of) => `/counties/${encodeURIComponent(of)}/orders`],
  ["status", "Status", () => "/orders"],
]);

const OPEN = [["PENDING", "Pending: not decided yet"], ["CANCELLING", "Cancelling: being rolled back"], ["FULFILLING", "Fulfilling: being handed over"]];

/** @param {{parameters: URLSearchParams}} props */
export default function Orders({ parameters }) {
  useTitle("Orders");
  const by = parameters.get("by") ?? "store";
  const of = parameters.get("of") ?? (by === "status" ? "PENDING" : by === "store" ? "main" : "");
  const cursor = parameters.get("cursor") ?? "";
  const [, label, pathOf] = BY.find(([name]) => name === by) ?? BY[0];
  const path = of ? pathOf(of) + query({ ...(by === "status" ? { status: of } : {}), limit: 50, cursor }) : null;
  const { data, error, reload } = useData(path);
  return html`
    <${Head} title="Orders" about=${by === "status" ? "Open orders, longest due first." : "Newest first. A very recent order may not be in the list yet."}>
      ${path && html`<${Copy} text=${curl("GET", path)} what="this list as a curl command" label="curl" />`}
      <button type="button" onClick=${reload}>Read again</button>
    <//>
    <${Search} by=${by} of=${of} label=${label} key=${`${by} ${of}`} />
    <${Problem} error=${error} retry=${reload} />
    ${!of && html`<${Empty} title=${`Whose orders? Enter a ${label.toLowerCase()}.`}><p hidden=${Boolean(issuer)}>The demo's customers are <a href="/console/orders?by=customer&of=demo123">demo123</a> and <a href="/console/orders?by=customer&of=acme-wholesale">acme-wholesale</a>.</p><//>`}
    ${of && data?.orders?.length === 0 && html`<${Empty} title=${by === "status" ? "No order is open like that." : "There are no orders here."}><p>${by === "status" ? "That is good: every order is decided." : issuer ? "The first order will be here." : html`<a href="/console/try">Place an order</a> to see it here.`}</p><//>`}
    ${of && data?.orders?.length > 0 && html`<${OrderRows} orders=${data.orders} label="Orders" />`}
    ${of && data && html`<${Pages} address="/console/orders" cursor=${cursor} next=${data.nextCursor} parameters=${{ by, of }} />`}`;
}

/** @param {{by: string, of: string, label: string}} props */
function Search({ by, of, label }) {
  const [id, setId] = useState("");
  const find = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (id.trim()) navigate(`/console/orders/${encodeURIComponent(id.trim())}`);
  };
  const changed = (/** @type {any} */ event) => setParameters({ of: event.target.value.trim(), cursor: "" });
  return html`<div class="filters" role="search" aria-label="Orders">
    <${Field} label="List by"><select value=${by} onChange=${(/** @type {any} */ event) => setParameters({ by: event.target.value, of: "", cursor: "" })}>${BY.map(([name, text]) => html`<option value=${name} selected=${name === by}>${text}</option>`)}</select><//>
    ${by === "status"
      ? html`<${Field} label="Status"><select value=${of} onChange=${changed}>${OPEN.map(([status, text]) => html`<option value=${status} selected=${status === of}>${text}</option>`)}</select><//>`
      : html`<${Field} label=${label}><input value=${of} onChange=${changed} placeholder="id" spellcheck=${false} /><//>`}
    <form class="field" onSubmit=${find}><label><span class="quiet">Open an order</span><input value=${id} onInput=${(/** @type {any} */ event) => setId(event.target.value)} placeholder="order id" spellcheck=${false} /></label></form>
  </div>`;
}
