// The server's API. Addresses are relative to the page, so that it works below any path.

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

/** Some members of a role, from `offset` on: {members, next}. */
export async function members(path, role, offset = 0) {
  const query = new URLSearchParams({ role, offset, limit: 500 });
  return (await ask(`api/v1/archives/${encoded(path)}/members?${query}`)).json();
}

/** Exchange the token for a cookie. */
export async function signIn(token) {
  await ask("api/v1/session", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
}
