// Makes the pictures of the README from the console itself:
//
//     TOOLS=… URL_OF_STACK=… ARTEFACTS=docs/console node tests/console/pictures.mjs
//
// on a new `order-saga serve`. A test compares the graph's states with the picture's.

import { writeFileSync } from "node:fs";
import { launch, open } from "./browser.mjs";
import { client, fill } from "./stack.mjs";

const { URL_OF_STACK: url, ARTEFACTS } = process.env;

const orders = await fill(url);
const { get } = client(url);
const browser = await launch();
const { page, close } = await open(browser, url, { width: 1200, height: 680 });

const executionOf = async (orderId) => (await get(`/_local/executions?orderId=${orderId}`)).executions[0].id;

await page.goto(`${url}/console`);
await page.locator("tbody tr").first().waitFor();
await page.screenshot({ path: `${ARTEFACTS}/executions.png` });

await page.goto(`${url}/console/executions/${await executionOf(orders.demo4)}`);
await page.locator(".graph .node").first().waitFor();
writeFileSync(`${ARTEFACTS}/rollback.svg`, `${await page.evaluate(alone)}\n`);

await page.goto(`${url}/console/orders/${orders.demo6}`);
await page.getByText("The order was sent again").waitFor();
await page.screenshot({ path: `${ARTEFACTS}/order.png` });

await close();
await browser.close();

/** The graph with its colours in itself: a picture has no stylesheet. */
function alone() {
  const graph = document.querySelector(".canvas > svg");
  const copy = graph.cloneNode(true);
  const [from, to] = [graph, copy].map((svg) => [...svg.querySelectorAll("*")]);
  const NAMES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "font-size", "font-weight"];
  const USUAL = { fill: "rgb(0, 0, 0)", stroke: "none", "stroke-width": "1px", "stroke-dasharray": "none", "stroke-linecap": "butt", "stroke-linejoin": "miter", "font-weight": "400" };
  to.forEach((element, index) => {
    const style = getComputedStyle(from[index]);
    for (const name of NAMES) {
      const isText = name.startsWith("font");
      const applies = isText ? element.tagName === "text" : element.tagName !== "g";
      const value = style.getPropertyValue(name);
      if (applies && value !== USUAL[name]) element.setAttribute(name, value.replace(/px/g, ""));
    }
    if (element.tagName === "text") element.setAttribute("font-family", "system-ui, sans-serif");
    for (const name of ["class", "tabindex", "role", "aria-pressed", "aria-label"]) element.removeAttribute(name);
  });
  const [width, height] = [graph.getAttribute("width"), graph.getAttribute("height")];
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ width, height, rx: 10, fill: "#fff" })) ground.setAttribute(name, value);
  copy.prepend(ground);
  for (const name of ["style", "class"]) copy.removeAttribute(name);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return copy.outerHTML;
}
