// A page that obtains a token by itself (OAuth 2.0's implicit flow) and calls an API with it.
//
// Hub's answer stands behind the # of this page's address, which browsers send to no server. It is taken from there at
// once. The token is kept in memory alone, in `token`: a reload asks Hub for another one.
"use strict";

const page = document.getElementById("api");
const { hub, service, scope, credentials, api } = page.dataset;
const here = location.origin + location.pathname; // One of the redirect URIs that the service has at Hub.

let token = null; // { value, scope, until }

function start() {
  const answer = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  element("sign-in").addEventListener("click", signIn);
  element("call").addEventListener("click", call);
  if (answer.has("state")) return comeBack(answer);
  if (credentials === "required") return say("You have signed out, so this page waits for you.", "sign-in");
  signIn();
}

// 1. Off to Hub, with a state that only this tab knows. Whoever is signed in there comes right back.
function signIn() {
  const state = crypto.getRandomValues(new Uint32Array(4)).join("-");
  sessionStorage.setItem("state", state);
  const asked = new URLSearchParams({
    response_type: "token",
    client_id: service,
    redirect_uri: here,
    scope,
    state,
    request_credentials: credentials,
  });
  say("Off to Hub …");
  location.replace(`${hub}/api/rest/oauth2/auth?${asked}`); // Replaced, so that Back does not lead here again.
}

// 2. Back, with a token or an error. An answer that this tab has not asked for is somebody else's.
function comeBack(answer) {
  const state = sessionStorage.getItem("state");
  sessionStorage.removeItem("state");
  if (answer.get("state") !== state) {
    return say("This answer of Hub belongs to another tab, or was used before.", "sign-in");
  }
  if (!answer.get("access_token")) {
    return say(`Hub gives no token. It says: ${answer.get("error_description") || answer.get("error")}.`, "sign-in");
  }
  const life = Number(answer.get("expires_in")) || 600;
  token = { value: answer.get("access_token"), scope: answer.get("scope") || scope, until: Date.now() + life * 1000 };
  element("scope").textContent = token.scope;
  element("token").hidden = false;
  call();
  tick();
}

// 3. Call the API. The cookie stays here: only the token counts.
async function call() {
  if (Date.now() >= token.until) return over();
  say("Calling …", "call");
  try {
    const headers = { Authorization: `Bearer ${token.value}`, Accept: "application/json" };
    const answer = await fetch(api, { headers, credentials: "omit", cache: "no-store" });
    const body = await answer.json();
    element("status").textContent = `${answer.status} ${answer.statusText}`;
    element("body").textContent = JSON.stringify(body, null, 2);
    element("answer").hidden = false;
    if (answer.status === 401) return say(`The API does not take this token: ${body.detail}`, "sign-in");
    if (!answer.ok) return say(`The API refuses: ${body.detail}`, "call");
    say(`The API knows you as ${body.name || body.login || body.id}.`, "call", true);
  } catch {
    say("The API does not answer. Please try again soon.", "call");
  }
}

// 4. Over. There is no refresh token in this flow: Hub is asked again.
function over() {
  say("The token is over. Hub can give you another one.", "sign-in");
}

function tick() {
  const seconds = Math.ceil((token.until - Date.now()) / 1000);
  element("until").textContent = seconds > 0 ? `in ${seconds} seconds` : "over";
  if (seconds <= 0) return over();
  setTimeout(tick, 1000);
}

function say(words, offered, good = false) {
  element("said").textContent = words;
  element("said").classList.toggle("notice-good", good);
  for (const id of ["sign-in", "call"]) element(id).hidden = id !== offered;
}

function element(id) {
  return document.getElementById(id);
}

try {
  start();
} catch (error) {
  say(`This page does not work in this browser: ${error.message}`);
}
