// Sign-in at an OpenID Connect issuer, where the console is hosted: an authorization code with PKCE.
// https://www.rfc-editor.org/rfc/rfc7636
//
// The token is kept until the tab is closed, and no refresh token is kept at all.

import { issuer, setApiKey } from "./api.js";

/** @typedef {import("./api.js").Issuer} Issuer */

/** What a sign-in that is under way must remember, until the issuer leads back here. */
const PENDING = "sign-in";

/** How long before its end a token is taken for ended, so that no request is sent with one that ends on its way. */
const MARGIN_MS = 10_000;

/** What `signIn` has kept, unless something else stands there. @param {string | null} text */
function read(text) {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}

/**
 * Completes a sign-in that leads back here.
 *
 * @returns {Promise<string>} why the sign-in failed, or nothing
 */
export async function complete() {
  const parameters = new URLSearchParams(location.search);
  if (!issuer || !parameters.has("state")) return "";
  const pending = read(sessionStorage.getItem(PENDING));
  sessionStorage.removeItem(PENDING);
  // The code is used up, and belongs in no history and no address that is sent to a colleague.
  history.replaceState(null, "", pending?.address ?? "/console");
  if (!pending || pending.state !== parameters.get("state")) return "The sign-in was not begun in this tab. Sign in again.";
  const code = parameters.get("code");
  if (!code) return `The sign-in ended with ${parameters.get("error") ?? "no code"}. Sign in again.`;
  return redeem(issuer, code, pending.verifier);
}

/** @param {Issuer} at @param {string} code @param {string} verifier */
async function redeem(at, code, verifier) {
  const form = { grant_type: "authorization_code", client_id: at.clientId, code, redirect_uri: redirectUri(), code_verifier: verifier };
  const answer = await fetch(at.token, { method: "POST", body: new URLSearchParams(form) }).catch(() => null);
  const token = answer?.ok ? (await answer.json().catch(() => ({}))).access_token : null;
  if (!token) return "The sign-in could not be completed. Sign in again.";
  setApiKey(token);
  return "";
}

/** Leads to the issuer, and from there back to this view. */
export async function signIn() {
  if (!issuer) return;
  const [verifier, state] = [random(), random()];
  const address = location.pathname + location.search;
  sessionStorage.setItem(PENDING, JSON.stringify({ verifier, state, address }));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const asked = { response_type: "code", client_id: issuer.clientId, redirect_uri: redirectUri(), scope: issuer.scope, state, code_challenge: base64url(new Uint8Array(digest)), code_challenge_method: "S256" };
  location.assign(`${issuer.authorize}?${new URLSearchParams(asked)}`);
}

/** Forgets the token, and ends the issuer's own session. */
export function signOut() {
  setApiKey("");
  if (issuer) location.assign(`${issuer.logout}?${new URLSearchParams({ client_id: issuer.clientId, logout_uri: redirectUri() })}`);
}

/**
 * Who a token stands for, and until when. It is read for display only: the API checks it.
 *
 * @param {string} token
 * @returns {{name: string, isCurrent: boolean}}
 */
export function holder(token) {
  try {
    const claims = JSON.parse(new TextDecoder().decode(bytes(token.split(".")[1])));
    return { name: String(claims.username ?? claims.sub ?? ""), isCurrent: claims.exp * 1000 - MARGIN_MS > Date.now() };
  } catch {
    return { name: "", isCurrent: false };
  }
}

function redirectUri() {
  return `${location.origin}/console`;
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

/** @param {Uint8Array} data */
function base64url(data) {
  return btoa(String.fromCharCode(...data)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text */
function bytes(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
