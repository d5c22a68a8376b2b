// A store's pick list: its confirmed orders, longest confirmed first.

import { curl, issuer, query, send } from "../api.js";
import { short } from "../format.js";
import { Copy, Empty, Field, Head, Problem, html, setParameters, useData, useState, useTitle } from "../elements.js";
import { OrderRows, Pages } from "./order-rows.js";

/** @param {{parameters: URLSearchParams}} props */
export default function PickList({ parameters }) {
  useTitle("Pick list");
  const storeId = parameters.get("store") ?? "main";
  const cursor = parameters.get("cursor") ?? "";
  const path = `/orders${query({ status: "CONFIRMED", storeId, limit: 50, cursor })}`;
  const { data, error, reload } = useData(path);
  const [failure, setFailure] = useState(/** @type {any} */ (null));
  const [done, setDone] = useState("");
  const handOver = async (/** @type {any} */ order) => {
    setFailure(null);
    try {
      const { body } = await send("POST", `/orders/${order.orderId}/fulfil`);
      setDone(`Order ${short(order.orderId)} is ${body.status === "FULFILLED" ? "handed over" : "being handed over"}.`);
    } catch (error) {
      setFailure(error);
    }
    reload();
  };
  return html`
    <${Head} title="Pick list" about="Confirmed orders that wait for their goods, longest confirmed first.">
      <${Copy} text=${curl("GET", path)} what="this list as a curl command" label="curl" />
      <button type="button" onClick=${reload}>Read again</button>
    <//>
    <div class="filters" role="search" aria-label="Pick list"><${Field} label="Store"><input value=${storeId} onChange=${(/** @type {any} */ event) => setParameters({ store: event.target.value.trim(), cursor: "" })} spellcheck=${false} /><//></div>
    <${Problem} error=${failure ?? error} retry=${reload} />
    ${done && html`<div class="note good" role="status"><strong>${done}</strong></div>`}
    ${data?.orders.length === 0 && html`<${Empty} title=${`Nothing waits to be picked in ${storeId}.`}><p>An order appears here when it is confirmed.${issuer ? "" : html` <a href="/console/try">Place one</a>.`}</p><//>`}
    ${data?.orders.length > 0 && html`<${OrderRows} orders=${data.orders} label="Orders to pick" action=${(/** @type {any} */ order) => html`<button type="button" class="small" onClick=${() => handOver(order)} aria-label=${`Hand over order ${short(order.orderId)}`}>Hand over</button>`} />`}
    ${data && html`<${Pages} address="/console/picklist" cursor=${cursor} next=${data.nextCursor} parameters=${{ store: storeId }} />`}`;
}
