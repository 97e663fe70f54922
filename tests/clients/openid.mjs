// Signs in at a dev Hub with openid-client, and prints one line of JSON for each thing that was tried:
//   {"name", "value"} or {"name", "error", "description", "status"}
// Usage: node openid.mjs HUB_URL CLIENT_ID CLIENT_SECRET REDIRECT_URI ANOTHER_CLIENT_ID

import {webcrypto} from 'node:crypto';
import * as client from 'openid-client';

// Node 18 keeps both to itself.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;

const [hub, id, secret, redirectUri, youtrack] = process.argv.slice(2);
const control = new URL('/__dev__/', hub);
const insecure = {execute: [client.allowInsecureRequests]};
const HUB = '0-0-0-0-0';

async function attempt(name, act) {
  let found;
  try {
    found = {value: await act()};
  } catch (problem) {
    const {error, error_description: description, status, code, message} = problem;
    found = {error: error ?? code ?? String(message), description, status};
  }
  console.log(JSON.stringify({name, ...found}));
}

async function tell(what, words) {
  const headers = {'Content-Type': 'application/json'};
  const answer = await fetch(new URL(what, control), {method: 'POST', headers, body: JSON.stringify(words)});
  if (answer.status !== 204) throw new Error(await answer.text());
}

const change = fields => tell(`services/${id}`, fields);
const options = fields => tell('options', fields);

const discover = (auth = client.ClientSecretBasic(secret), where = hub, clientId = id) =>
  client.discovery(new URL(where), clientId, undefined, auth, insecure);

// What a person's browser does: opens the address, fills in the form, follows Hub's redirects as far as the application.
async function visit(address, {login = 'jane', password = login, cookie} = {}) {
  let answer = await fetch(address, {redirect: 'manual', headers: cookie ? {Cookie: cookie} : {}});
  let location = new URL(answer.headers.get('location'), address);
  if (location.pathname.endsWith('/auth/login')) {
    const form = new URL(`${hub}/api/rest/oauth2/interactive/login${location.search}`);
    const body = new URLSearchParams({username: login, password});
    answer = await fetch(form, {method: 'POST', body, redirect: 'manual'});
    cookie = answer.headers.get('set-cookie').split(';')[0];
    answer = await fetch(answer.headers.get('location'), {redirect: 'manual', headers: {Cookie: cookie}});
    location = new URL(answer.headers.get('location'));
  }
  return {location, cookie, status: answer.status};
}

// A whole login; `extra` goes into the authorization request, `code` and `verifier` replace what the exchange sends.
async function login(config, extra = {}, {verifier, checks, code} = {}) {
  const made = client.randomPKCECodeVerifier();
  const method = extra.code_challenge_method ?? 'S256';
  const challenge = method === 'S256' ? await client.calculatePKCECodeChallenge(made) : made;
  const expected = {expectedState: client.randomState(), expectedNonce: client.randomNonce()};
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri, scope: `openid profile offline_access ${HUB} ${id}`, state: expected.expectedState,
    nonce: expected.expectedNonce, code_challenge: challenge, code_challenge_method: method, ...extra,
  });
  const {location} = await visit(address);
  if (code) location.searchParams.set('code', code);
  const expectations = {...expected, pkceCodeVerifier: verifier ?? made, idTokenExpected: true, ...checks};
  return client.authorizationCodeGrant(config, location, expectations);
}

const config = await discover();
client.enableNonRepudiationChecks(config);
const publicly = await discover(client.None());
const jane = await login(config);
const subject = jane.claims().sub;

// What works

await attempt('discovery', () => config.serverMetadata().issuer);
await attempt('discovery in the second place', async () => {
  const second = await discover(undefined, `${hub}/api/rest/oauth2/.well-known/openid-configuration`);
  return second.serverMetadata().issuer;
});
await attempt('code and PKCE', () => jane.claims());
await attempt('scope', () => jane.scope);
await attempt('plain PKCE', async () => (await login(config, {code_challenge_method: 'plain'})).claims().sub);
await attempt('secret in the form', async () => {
  const posting = await discover(client.ClientSecretPost(secret));
  return (await login(posting)).claims().sub;
});
await attempt('public client', async () => {
  await change({secret: null});
  try {
    return (await login(publicly)).claims().sub;
  } finally {
    await change({secret});
  }
});
await attempt('max_age', async () => {
  const claims = (await login(config, {max_age: '60'}, {checks: {maxAge: 60}})).claims();
  return claims.iat - claims.auth_time;
});
await attempt('refresh', async () => {
  const renewed = await client.refreshTokenGrant(config, jane.refresh_token);
  return [renewed.token_type, renewed.access_token !== jane.access_token, 'refresh_token' in renewed];
});
await attempt('refresh with rotation and id token', async () => {
  await options({rotate: true, refresh_gives_id_token: true});
  const {refresh_token: old} = await login(config);
  const renewed = await client.refreshTokenGrant(config, old);
  await options({rotate: false, refresh_gives_id_token: false});
  return [renewed.refresh_token !== old, renewed.claims().sub];
});
await attempt('client credentials', async () => {
  const token = await client.clientCredentialsGrant(config, {scope: `Hub ${id}`});
  return [token.token_type, token.scope, token.expires_in];
});
await attempt('password', async () => {
  const asked = {username: 'jane', password: 'jane', scope: `openid ${HUB}`};
  return (await client.genericGrantRequest(config, 'password', asked)).claims().sub;
});
await attempt('userinfo', () => client.fetchUserInfo(config, jane.access_token, subject));
await attempt('protected resource', async () => {
  const me = new URL(`${hub}/api/rest/users/me?fields=login`);
  return (await client.fetchProtectedResource(config, jane.access_token, me, 'GET')).json();
});
await attempt('implicit id token', async () => {
  const implicit = await discover();
  client.useIdTokenResponseType(implicit);
  const nonce = client.randomNonce();
  const state = client.randomState();
  const address = client.buildAuthorizationUrl(implicit, {redirect_uri: redirectUri, scope: 'openid', nonce, state});
  const {location} = await visit(address);
  return (await client.implicitAuthentication(implicit, location, nonce, {expectedState: state})).sub;
});

// What the authorization endpoint refuses

for (const [name, extra, fields, person] of [
  ['auth: no challenge where PKCE is required', {code_challenge: '', code_challenge_method: ''}, {pkceRequired: true}],
  ['auth: challenge of an unknown method', {code_challenge_method: 'S512'}],
  ['auth: request_credentials of no kind', {request_credentials: 'x'}],
  ['auth: unknown response type', {response_type: 'device'}],
  ['auth: flow switched off', {}, {authCodeFlowEnabled: false}],
  ['auth: scope of no service', {scope: 'Nothing'}],
  ['auth: banned', {}, {}, {login: 'mallory'}],
  ['auth: prompt none', {prompt: 'none'}],
]) {
  await attempt(name, async () => {
    await change({pkceRequired: false, authCodeFlowEnabled: true, ...fields});
    const state = client.randomState();
    const address = client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri, scope: `openid ${HUB}`, state, code_challenge: 'x'.repeat(43), ...extra,
    });
    for (const [parameter, value] of Object.entries(extra)) if (!value) address.searchParams.delete(parameter);
    const {location} = await visit(address, person);
    return client.authorizationCodeGrant(config, location, {expectedState: state}).finally(
      () => change({pkceRequired: false, authCodeFlowEnabled: true}));
  });
}
await attempt('auth: consent refused', async () => {
  await change({trusted: false});
  try {
    const state = client.randomState();
    const address = client.buildAuthorizationUrl(config, {redirect_uri: redirectUri, scope: HUB, state});
    const {location, cookie} = await visit(address);
    const page = await (await fetch(location, {headers: {Cookie: cookie}})).text();
    const body = new URLSearchParams({csrf_token: /name="csrf_token" value="([^"]+)"/.exec(page)[1], decision: 'refuse'});
    const form = new URL(`${hub}/api/rest/oauth2/interactive/consent${location.search}`);
    const answer = await fetch(form, {method: 'POST', body, redirect: 'manual', headers: {Cookie: cookie}});
    return await client.authorizationCodeGrant(config, new URL(answer.headers.get('location')), {expectedState: state});
  } finally {
    await change({trusted: true});
  }
});
for (const error of ['server_error', 'temporarily_unavailable']) {
  await attempt(`auth: ${error}`, async () => {
    const state = client.randomState();
    const headers = {Location: `${redirectUri}?error=${error}&state=${state}&iss=${encodeURIComponent(hub)}`};
    await tell('faults', {path: '/api/rest/oauth2/auth', status: 302, headers, times: 1});
    const {location} = await visit(client.buildAuthorizationUrl(config, {redirect_uri: redirectUri, scope: HUB, state}));
    return client.authorizationCodeGrant(config, location, {expectedState: state});
  });
}
for (const [name, extra] of [
  ['auth: redirect URI off by a slash', {redirect_uri: `${redirectUri}/`}],
  ['auth: unknown client', {client_id: 'none'}],
]) {
  await attempt(name, async () => {
    const address = client.buildAuthorizationUrl(config, {redirect_uri: redirectUri, scope: HUB, ...extra});
    const {location, status} = await visit(address);
    return [status, location.pathname, location.searchParams.get('error')];
  });
}

// What the token endpoint refuses

const refresh = (parameters, who = config) => client.refreshTokenGrant(who, jane.refresh_token, parameters);
const grant = (name, parameters = {}, who = config) => client.genericGrantRequest(who, name, parameters);
const exchange = (code, uri = redirectUri, who = config) => grant('authorization_code', {code, redirect_uri: uri}, who);

async function freshCode() {
  const {location} = await visit(client.buildAuthorizationUrl(config, {redirect_uri: redirectUri, scope: HUB}));
  return location.searchParams.get('code');
}

async function other() {
  await tell(`services/${youtrack}`, {secret: 'of-youtrack'});
  return discover(client.ClientSecretBasic('of-youtrack'), hub, youtrack);
}

await attempt('token: missing parameter', () => grant('authorization_code', {redirect_uri: redirectUri}));
await attempt('token: no client authentication', () => grant('client_credentials', {}, publicly));
await attempt('token: header that is none', async () => {
  const odd = (server, metadata, body, headers) => headers.set('authorization', 'Basic !');
  return grant('client_credentials', {}, await discover(odd));
});
await attempt('token: unknown service', async () => grant('client_credentials', {}, await discover(undefined, hub, 'none')));
await attempt('token: wrong secret', async () => grant('client_credentials', {}, await discover(client.ClientSecretPost('x'))));
await attempt('token: unknown code', () => login(config, {}, {code: 'x'}));
await attempt('token: other redirect URI', async () => exchange(await freshCode(), `${redirectUri}/`));
await attempt('token: other verifier', () => login(config, {}, {verifier: 'y'.repeat(43)}));
await attempt('token: used code', async () => {
  const code = await freshCode();
  await exchange(code);
  return exchange(code);
});
await attempt('token: old code', async () => {
  await options({code_life: -1});
  return exchange(await freshCode().finally(() => options({code_life: 60})));
});
await attempt('token: code of another client', async () => exchange(await freshCode(), redirectUri, await other()));
await attempt('token: refresh token of another client', async () => refresh({}, await other()));
await attempt('token: unknown refresh token', () => client.refreshTokenGrant(config, 'x'));
await attempt('token: services sent again', () => refresh({scope: `openid ${HUB} ${id}`}));
await attempt('token: refresh token of a banned user', async () => {
  await tell('users/jane', {banned: true});
  return refresh().finally(() => tell('users/jane', {banned: false}));
});
await attempt('token: revoked refresh token', async () => {
  await tell('revoke/jane', {});
  return refresh();
});
await attempt('token: wrong password', () => grant('password', {username: 'jane', password: 'x', scope: HUB}));
await attempt('token: service not trusted', async () => {
  await change({trusted: false});
  return grant('client_credentials').finally(() => change({trusted: true}));
});
await attempt('token: flow switched off', async () => {
  await change({clientCredentialsFlowEnabled: false});
  return grant('client_credentials').finally(() => change({clientCredentialsFlowEnabled: true}));
});
await attempt('token: unknown grant', () => grant('token_exchange'));
await attempt('token: scope of no service', () => grant('client_credentials', {scope: 'Nothing'}));
await attempt('userinfo: bad token', () => client.fetchUserInfo(config, 'x', subject));
await attempt('userinfo: bad token, with a challenge', async () => {
  await options({www_authenticate: true});
  return client.fetchUserInfo(config, 'x', subject);
});

// Wrong id tokens

for (const wrong of ['nonce', 'audience', 'issuer', 'expiry', 'none', 'hmac', 'key', 'missing', 'subject']) {
  await attempt(`id token: ${wrong}`, async () => {
    await tell('faults', {path: '/api/rest/oauth2/token', id_token: wrong, times: 1});
    const tokens = await login(config);
    return client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  });
}

// Last, since openid-client asks for new keys only once a minute

await attempt('key rotation', async () => {
  await tell('keys', {});
  const fresh = await discover();
  client.enableNonRepudiationChecks(fresh);
  return (await login(fresh)).claims().sub;
});
