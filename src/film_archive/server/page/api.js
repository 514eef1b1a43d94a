// The server's API. Addresses are relative to the page, so that it works below any path.

import { take } from "./early.js";

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options) {
  const answer = await fetch(path, { headers: { Accept: "application/json" }, ...options });
  if (!answer.ok) {
    const document = await answer.json().catch(() => null);
    throw new ApiError(answer.status, document?.error?.message ?? `The server answered ${answer.status}.`);
  }
  return answer;
}

const encoded = (path) => path.split("/").map(encodeURIComponent).join("/");

export async function archives() {
  return (await ask("api/v1/archives")).json();
}

export async function archive(path) {
  return (await ask(`api/v1/archives/${encoded(path)}`)).json();
}

/** Some members of a role, from `offset` on: {members, next}; with `words`, those in whose paths or facts all of them are. */
export async function members(path, role, { offset = 0, words = "", limit = 500 } = {}) {
  const query = new URLSearchParams({ role, offset, limit, ...(words ? { q: words } : {}) });
  return (await ask(`api/v1/archives/${encoded(path)}/members?${query}`)).json();
}

export const memberAddress = (path, name) =>
  `api/v1/archives/${encoded(path)}/member?${new URLSearchParams({ path: name })}`;

/** One member. */
export async function member(path, name) {
  const address = memberAddress(path, name);
  return take(address) ?? (await ask(address)).json();
}

/** Where the fragments of a member's proxies lie. */
export async function fragments(path, member) {
  return (await ask(`api/v1/archives/${encoded(path)}/fragments?${new URLSearchParams({ member })}`)).json();
}

/** What the token lets its bearer do: {right, roots}. */
export async function session() {
  return (await ask("api/v1/session")).json();
}

async function send(path, body) {
  const options = { method: "POST", headers: { Accept: "application/json", "Content-Type": "application/json" } };
  return (await ask(path, { ...options, body: JSON.stringify(body) })).json();
}

/** A list of selects as a file: {name, media_type, text, lost}. */
export function list(body) {
  return send("api/v1/lists", body);
}

/** Queue the extraction of a part of a clip: its job. */
export function extract(body) {
  return send("api/v1/jobs", body);
}

export async function jobs() {
  return (await (await ask("api/v1/jobs")).json()).jobs;
}

export async function removeJob(id) {
  await ask(`api/v1/jobs/${id}`, { method: "DELETE" });
}

/** Exchange the token for a cookie. */
export async function signIn(token) {
  await ask("api/v1/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
}
