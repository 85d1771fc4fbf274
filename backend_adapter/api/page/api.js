// Talking to the adapter. The key is kept for this tab only and sent nowhere but to the page's own server.

const STORED = "hoheit-admin-key";
const PATIENCE_MS = 5000;

/** The adapter does not accept the key. */
export class WrongKey extends Error {}
/** The adapter says no; the message says why. */
export class Refused extends Error {}
/** The adapter cannot be reached or does not answer. */
export class Away extends Error {}

export const storedKey = () => sessionStorage.getItem(STORED);
export const keepKey = (key) => sessionStorage.setItem(STORED, key);
export const forgetKey = () => sessionStorage.removeItem(STORED);

/** Whether it can be sent in a header at all. */
export const isUsable = (key) => /^[\x21-\x7e]+$/.test(key);

/** The topology, after what was asked for was done. Throws one of the errors above. */
export async function ask(method, path, body) {
  let response;
  let answer;
  try {
    response = await fetch(`v1/topology${path}`, {
      method,
      body: body && JSON.stringify(body),
      headers: { Authorization: `Bearer ${storedKey() ?? ""}` },
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    answer = await response.json();
  } catch (error) {
    throw new Away(String(error));
  }
  if (response.ok) return answer;
  if (response.status === 401) throw new WrongKey(answer?.error?.message);
  if (response.status >= 500) throw new Away(`HTTP ${response.status}`);
  throw new Refused(String(answer?.error?.message ?? `HTTP ${response.status}`));
}

export const look = () => ask("GET", "");
export const drain = (name) => ask("POST", `/${encodeURIComponent(name)}/drain`);
export const resume = (name) => ask("POST", `/${encodeURIComponent(name)}/resume`);
export const remove = (name) => ask("DELETE", `/${encodeURIComponent(name)}`);
export const add = (upstream) => ask("POST", "", upstream);
