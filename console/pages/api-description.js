// The API's description, with a way to try each request.

import { Head, html, useTitle } from "../elements.js";

/** @param {{parameters: URLSearchParams}} _props */
export default function ApiDescription(_props) {
  useTitle("API");
  return html`
    <${Head} title="API" about=${html`Every request, with a way to try it. The description itself is <a href="/openapi.yaml" target="_blank" rel="noreferrer">openapi.yaml</a>.`}>
      <a class="button" href="/docs" target="_blank" rel="noreferrer">Open alone</a>
    <//>
    <iframe class="description" src="/docs" title="The API's description"></iframe>`;
}
