// The page's life: asks for the key, looks at the adapter every second while somebody looks at the page.

import * as api from "./api.js";
import { changes } from "./changes.js";
import { make, say, sayOrHide } from "./dom.js";
import { show } from "./map.js";
import { clock, fillTexts, text } from "./texts.js";

const EVERY_MS = 1000;
// While the adapter is away it is asked less and less often, up to this.
const LONGEST_MS = 5000;
const MOST_CHANGES = 30;

const byId = (id) => document.getElementById(id);
const login = byId("login");
const board = byId("board");

let timer;
let round = 0;
let failed = 0;
let last = null;
let lastAt = null;

function showLogin(fault) {
  clearTimeout(timer);
  round += 1;
  api.forgetKey();
  last = lastAt = null;
  login.hidden = false;
  board.hidden = true;
  byId("tools").hidden = true;
  say(byId("link"), "");
  say(byId("clock"), "");
  sayOrHide(byId("login-fault"), fault);
  byId("changes").replaceChildren();
  byId("no-changes").hidden = false;
  byId("key").value = "";
  byId("key").focus();
}

function showBoard() {
  login.hidden = true;
  board.hidden = false;
  byId("tools").hidden = false;
}

async function look() {
  clearTimeout(timer);
  const mine = ++round;
  let picture;
  try {
    picture = await api.look();
  } catch (error) {
    if (mine === round) lookFailed(error);
    return;
  }
  // An operator's request may have been answered meanwhile, with a newer picture.
  if (mine === round) take(picture);
}

function take(picture) {
  round += 1;
  failed = 0;
  showBoard();
  if (last !== null) tell(changes(last, picture));
  last = picture;
  lastAt = new Date();
  board.classList.remove("stale");
  byId("away").hidden = true;
  // A look that began before the page was hidden may end after it.
  state(document.hidden ? "paused" : "live");
  say(byId("clock"), clock(lastAt));
  show(picture, act);
  again(EVERY_MS);
}

function lookFailed(error) {
  if (error instanceof api.WrongKey) {
    showLogin(text("wrongKey"));
    return;
  }
  failed += 1;
  showBoard();
  board.classList.add("stale");
  state("away");
  const said = lastAt === null ? text("never") : text("awaySince", { time: clock(lastAt) });
  sayOrHide(byId("away"), error instanceof api.Refused ? error.message : said);
  again(Math.min(EVERY_MS * 2 ** (failed - 1), LONGEST_MS));
}

function again(wait) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(look, wait);
}

function state(name) {
  byId("state").dataset.state = name;
  say(byId("link"), text(name));
}

/** Do what an operator wants; gives the text of what went wrong, or nothing. */
async function act(action, subject) {
  try {
    take(await api[action](subject));
  } catch (error) {
    if (error instanceof api.WrongKey) showLogin(text("wrongKey"));
    return error instanceof api.Refused ? error.message : text("away");
  }
  return "";
}

function tell(found) {
  const list = byId("changes");
  for (const [name, values] of found) {
    const when = make("time", "", clock(new Date()));
    list.prepend(make("li", name, when, " ", make("span", "", text(name, values))));
  }
  while (list.children.length > MOST_CHANGES) list.lastElementChild.remove();
  byId("no-changes").hidden = list.children.length > 0;
}

function prepareAdding() {
  const dialog = byId("add");
  const form = byId("add-form");
  byId("open-add").addEventListener("click", () => {
    form.reset();
    byId("add-fault").hidden = true;
    dialog.showModal();
  });
  byId("add-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = Object.fromEntries(
      [...new FormData(form)].map(([name, value]) => [name, value.trim()]),
    );
    const upstream = { ...given, models: given.models.split(",").map((each) => each.trim()).filter(Boolean) };
    if (!upstream.api_key) delete upstream.api_key;
    const fault = await act("add", upstream);
    sayOrHide(byId("add-fault"), fault);
    if (!fault) dialog.close();
  });
}

login.addEventListener("submit", (event) => {
  event.preventDefault();
  const key = byId("key").value.trim();
  if (!api.isUsable(key)) {
    sayOrHide(byId("login-fault"), text("unusableKey"));
    return;
  }
  api.keepKey(key);
  state("connecting");
  look();
});

byId("forget").addEventListener("click", () => showLogin(""));

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && api.storedKey() !== null) {
    look();
  } else if (document.hidden) {
    clearTimeout(timer);
    if (api.storedKey() !== null) state("paused");
  }
});

fillTexts(document);
prepareAdding();
if (api.storedKey() === null) showLogin("");
else {
  state("connecting");
  look();
}
