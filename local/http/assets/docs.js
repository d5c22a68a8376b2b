"use strict";

// Swagger UI has dark colours, for a page that says when to use them.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

window.addEventListener("DOMContentLoaded", () => {
  SwaggerUIBundle({
    url: "/openapi.yaml",
    dom_id: "#api",
    deepLinking: true,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    // An operation has up to a dozen responses. With their schemas folded they fit on a screen or two.
    defaultModelRendering: "model",
    defaultModelExpandDepth: 0,
    defaultModelsExpandDepth: 0,
    // Otherwise the description's address would be sent to a validator on the internet.
    validatorUrl: null,
  });
});
