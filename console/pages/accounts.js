// A customer's account: what it owes, and its terms.

import { curl, send } from "../api.js";
import { money } from "../format.js";
import { Copy, Empty, Field, Head, Problem, html, setParameters, useData, useEffect, useState, useTitle } from "../elements.js";

/** @param {{parameters: URLSearchParams}} props */
export default function Accounts({ parameters }) {
  useTitle("Accounts");
  const customerId = parameters.get("customer") ?? "";
  const path = customerId ? `/accounts/${encodeURIComponent(customerId)}` : null;
  const { data, error, reload, isFresh } = useData(path);
  const account = isFresh ? data : null;
  const isMissing = error?.status === 404;
  return html`
    <${Head} title="Accounts" about="Customers who buy on invoice: what they owe, and how much they may owe.">
      ${path && html`<${Copy} text=${curl("GET", path)} what="this account as a curl command" label="curl" /><a class="button" href=${`/console/orders?by=customer&of=${encodeURIComponent(customerId)}`}>Orders</a>`}
    <//>
    <div class="filters" role="search" aria-label="Accounts"><${Field} label="Customer"><input value=${customerId} onChange=${(/** @type {any} */ event) => setParameters({ customer: event.target.value.trim() })} placeholder="id" spellcheck=${false} /><//></div>
    ${!path && html`<${Empty} title="Whose account? Enter a customer."><p>The samples have <a href="/console/accounts?customer=acme-wholesale">acme-wholesale</a> and <a href="/console/accounts?customer=late-payer">late-payer</a>.</p><//>`}
    ${!isMissing && html`<${Problem} error=${error} retry=${reload} />`}
    <div class="cards">
      ${account && html`<section class="card"><h2>${account.customerId}</h2><dl class="facts">
        <div><dt>Owes</dt><dd>${money(account.receivable, account.currency)}</dd></div>
        <div><dt>Credit limit</dt><dd>${money(account.creditLimit, account.currency)}</dd></div>
        <div><dt>Left</dt><dd>${money(account.creditLimit - account.receivable, account.currency)}</dd></div>
        <div><dt>New invoices</dt><dd>${account.onHold ? html`<span class="badge bad">On hold</span>` : html`<span class="badge good">Accepted</span>`}</dd></div>
      </dl></section>`}
      ${path && isMissing && html`<${Empty} title=${`${customerId} has no account.`}><p>Set terms, and the customer can buy on invoice.</p><//>`}
      ${path && (account || isMissing) && html`<${Terms} customerId=${customerId} account=${account} reload=${reload} key=${`${customerId} ${account?.creditLimit} ${account?.onHold}`} />`}
    </div>`;
}

/** Sets the terms, if nobody has changed them since they were read. @param {{customerId: string, account: any, reload: () => void}} props */
function Terms({ customerId, account, reload }) {
  const [limit, setLimit] = useState(String(account?.creditLimit ?? "1000"));
  const [onHold, setOnHold] = useState(Boolean(account?.onHold));
  const [etag, setEtag] = useState("");
  const [error, setError] = useState(/** @type {any} */ (null));
  const path = `/accounts/${encodeURIComponent(customerId)}/terms`;
  useEffect(() => {
    if (account) send("GET", path).then(({ headers }) => setEtag(headers.get("etag") ?? ""), setError);
  }, [path]);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setError(null);
    /** @type {Record<string, string>} */
    const version = account ? { "if-match": etag } : { "if-none-match": "*" };
    try {
      await send("PUT", path, { body: { creditLimit: Number(limit), onHold, ...(account ? {} : { currency: "USD" }) }, headers: version });
      reload();
    } catch (failed) {
      setError(failed);
    }
  };
  return html`<section class="card"><h2>Terms</h2><form class="form" onSubmit=${submit}>
    <${Field} label=${`Credit limit in ${account?.currency ?? "USD"}`}><input type="number" min="0" step="0.01" value=${limit} onInput=${(/** @type {any} */ event) => setLimit(event.target.value)} required /><//>
    <label class="row"><input type="checkbox" checked=${onHold} onChange=${(/** @type {any} */ event) => setOnHold(event.target.checked)} /> Take no new invoices</label>
    <div class="row"><button class="primary">${account ? "Set the terms" : "Open the account"}</button></div>
  </form><${Problem} error=${error} /></section>`;
}
