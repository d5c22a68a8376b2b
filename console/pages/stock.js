// A store's stock: what is low, adjustments, and counts.

import { curl, query, send } from "../api.js";
import { count } from "../format.js";
import { Copy, Empty, Field, Head, Problem, Time, html, setParameters, useData, useState, useTitle } from "../elements.js";
import { Pages } from "./order-rows.js";

/** @param {{parameters: URLSearchParams}} props */
export default function Stock({ parameters }) {
  useTitle("Stock");
  const storeId = parameters.get("store") ?? "main";
  const below = parameters.get("below") ?? "";
  const cursor = parameters.get("cursor") ?? "";
  const sku = parameters.get("sku") ?? "";
  const path = `/stores/${encodeURIComponent(storeId)}/stock${query({ availableBelow: below, limit: 100, cursor })}`;
  const { data, error, reload } = useData(path);
  const set = (/** @type {string} */ name) => (/** @type {any} */ event) => setParameters({ [name]: event.target.value.trim(), cursor: "", sku: "" });
  return html`
    <${Head} title="Stock" about=${below ? `Articles of which fewer than ${below} are available.` : "What the store keeps, by article."}>
      <${Copy} text=${curl("GET", path)} what="this list as a curl command" label="curl" />
      <button type="button" onClick=${reload}>Read again</button>
    <//>
    <div class="filters" role="search" aria-label="Stock">
      <${Field} label="Store"><input value=${storeId} onChange=${set("store")} spellcheck=${false} /><//>
      <${Field} label="Only if fewer are available than"><input type="number" min="1" value=${below} onChange=${set("below")} placeholder="any number" /><//>
    </div>
    <${Problem} error=${error} retry=${reload} />
    <div class="run">
      <div>
        ${data?.stock.length === 0 && html`<${Empty} title=${below ? "Nothing is low." : `The store ${storeId} keeps nothing.`}><p>A first receipt adds an article.</p><//>`}
        ${data?.stock.length > 0 && html`<${Rows} stock=${data.stock} storeId=${storeId} below=${below} selected=${sku} />`}
        ${data && html`<${Pages} address="/console/stock" cursor=${cursor} next=${data.nextCursor} parameters=${{ store: storeId, below }} />`}
      </div>
      <${Change} storeId=${storeId} sku=${sku} key=${`${storeId} ${sku}`} reload=${reload} />
    </div>`;
}

/** @param {{stock: any[], storeId: string, below: string, selected: string}} props */
function Rows({ stock, storeId, below, selected }) {
  return html`<div class="table" role="region" aria-label="Stock" tabIndex=${0}><table class="rows">
    <thead><tr><th scope="col">Article</th><th scope="col" class="number">Available</th><th scope="col" class="number">Held for orders</th><th scope="col" class="number">On hand</th><th scope="col">Last changed by hand</th><th scope="col"><span class="unseen">Action</span></th></tr></thead>
    <tbody>${stock.map((one) => html`<tr key=${one.sku} aria-current=${one.sku === selected ? "true" : undefined}>
      <td data-label="Article"><strong>${one.sku}</strong></td>
      <td data-label="Available" class="number">${count(one.available)}</td>
      <td data-label="Held for orders" class="number">${count(one.reserved)}</td>
      <td data-label="On hand" class="number">${count(one.onHand)}</td>
      <td data-label="Last changed by hand">${one.changedBy ? html`${one.changedBy.subject}, <${Time} ms=${Date.parse(one.changedAt)} />` : html`<span class="quiet">never</span>`}</td>
      <td data-label=""><a href=${`/console/stock${query({ store: storeId, below, sku: one.sku })}`} aria-label=${`Change ${one.sku}`}>Change</a></td>
    </tr>`)}</tbody></table></div>`;
}

/** Changes an article's stock. @param {{storeId: string, sku: string, reload: () => void}} props */
function Change({ storeId, sku: chosen, reload }) {
  const [sku, setSku] = useState(chosen);
  const [kind, setKind] = useState("RECEIVED");
  const [number, setNumber] = useState("");
  const [note, setNote] = useState("");
  // The key stays until the adjustment has an answer, so sending it again counts once.
  const [key, setKey] = useState(/** @type {string} */ (crypto.randomUUID()));
  const [result, setResult] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const article = `/stores/${encodeURIComponent(storeId)}/stock/${encodeURIComponent(sku)}`;
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setError(null);
    try {
      if (kind === "SET") {
        const { headers } = await send("GET", article);
        const { body } = await send("PUT", article, { body: { onHand: Number(number) }, headers: { "if-match": headers.get("etag") ?? "" } });
        setResult({ stock: body, text: `Set to ${count(body.onHand)} on hand.` });
      } else {
        const difference = kind === "LOST" ? -Number(number) : Number(number);
        const { body } = await send("POST", `${article}/adjustments`, { body: { difference, reason: kind, ...(note ? { note } : {}) }, headers: { "idempotency-key": key } });
        setResult({ stock: body.stock, text: `Adjusted by ${body.difference}; ${count(body.stock.available)} available now.` });
        setKey(crypto.randomUUID());
      }
      setNumber("");
      reload();
    } catch (failed) {
      setError(failed);
    }
  };
  return html`<section class="card"><h2>Change the stock</h2>
    <form class="form" onSubmit=${submit}>
      <${Field} label="Article"><input value=${sku} onInput=${(/** @type {any} */ event) => setSku(event.target.value)} required spellcheck=${false} placeholder="LAPTOP001" /><//>
      <${Field} label="What happened"><select value=${kind} onChange=${(/** @type {any} */ event) => setKind(event.target.value)}>
        <option value="RECEIVED">Goods came in</option><option value="LOST">Goods are gone</option><option value="COUNTED">A count differs by</option><option value="SET">A count: on hand are</option></select><//>
      <${Field} label=${kind === "SET" ? "On hand" : "How many"} hint=${kind === "SET" ? "Only if nobody changes the stock meanwhile." : undefined}><input type="number" value=${number} onInput=${(/** @type {any} */ event) => setNumber(event.target.value)} required min=${kind === "COUNTED" ? undefined : kind === "SET" ? 0 : 1} /><//>
      ${kind !== "SET" && html`<${Field} label="Note"><input value=${note} onInput=${(/** @type {any} */ event) => setNote(event.target.value)} maxLength=${140} placeholder="optional, for example delivery 4711" /><//>`}
      <div class="row"><button class="primary">${kind === "SET" ? "Set the stock" : "Adjust the stock"}</button></div>
    </form>
    ${result && html`<div class="note good" role="status"><strong>${result.stock.sku}: ${result.text}</strong></div>`}
    <${Problem} error=${error} />
  </section>`;
}
