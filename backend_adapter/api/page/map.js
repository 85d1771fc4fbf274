// The picture: the adapter with its queues, the sites with their upstreams, and who answers for what.

import { createCard, showFigures } from "./card.js";
import { keyed, make, say } from "./dom.js";
import { ofReplica, showState, stateLabel } from "./health.js";
import { number, text } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
// Beyond this many lines a picture tells nothing more; those that carry something are drawn first.
const MOST_LINES = 150;

const models = document.getElementById("models");
const sites = document.getElementById("sites");
const lines = document.getElementById("lines");
const map = document.getElementById("map");

let drawn = null;

/** Show `picture`; cards call `act` when an operator wants something. */
export function show(picture, act) {
  const replicas = picture.upstreams.flatMap((upstream) => upstream.replicas);
  const most = Math.max(0, ...replicas.map((replica) => replica.outstanding_tokens));
  showTotals(picture, replicas);
  const known = Object.entries(picture.models);
  document.getElementById("no-models").hidden = known.length > 0;
  keyed(models, known, ([model]) => model, createModel, updateModel);
  keyed(
    sites,
    bySite(picture),
    ([site]) => site,
    createSite,
    (box, [site, upstreams]) => updateSite(box, site, upstreams, most, act),
  );
  drawn = picture;
  drawLines();
}

function showTotals(picture, replicas) {
  const sum = (of) => replicas.reduce((total, replica) => total + of(replica), 0);
  const queued = Object.values(picture.models).reduce((total, model) => total + model.queued, 0);
  showFigures(document.getElementById("totals"), [
    ["upstreams", number(picture.upstreams.length)],
    ["running", number(sum((each) => each.running))],
    ["queued", number(queued)],
    ["tokens", number(sum((each) => each.outstanding_tokens))],
    ["failovers", number(sum((each) => each.failovers.before_first_token + each.failovers.mid_answer))],
  ]);
}

function bySite(picture) {
  const found = new Map();
  for (const upstream of picture.upstreams) {
    found.set(upstream.site, [...(found.get(upstream.site) ?? []), upstream]);
  }
  return [...found];
}

function createModel() {
  const name = make("span", "model");
  const health = stateLabel();
  const load = make("p", "quiet");
  const row = make("li", "", make("div", "line", name, health), load);
  row.parts = { name, health, load };
  return row;
}

function updateModel(row, [model, now]) {
  const { name, health, load } = row.parts;
  row.dataset.state = now.ready ? "ready" : "open";
  row.classList.toggle("waiting", now.queued > 0);
  say(name, model);
  name.title = model;
  showState(health, row.dataset.state, text(now.ready ? "ready" : "notReady"));
  const values = { running: number(now.running), queued: number(now.queued) };
  say(load, text("runningOf", values));
}

function createSite() {
  return make("section", "site", make("h2"), make("div", "cards"));
}

function updateSite(box, site, upstreams, most, act) {
  say(box.firstElementChild, site || text("noSite"));
  keyed(
    box.lastElementChild,
    upstreams,
    (upstream) => upstream.name,
    (upstream) => createCard(upstream, act),
    (card, upstream) => {
      Object.assign(card, { upstream, most });
      card.update();
    },
  );
}

/** Draw a line from each model to everyone who answers for it, as wide as what runs over it. */
function drawLines() {
  if (drawn === null) return;
  const frame = map.getBoundingClientRect();
  const place = (element) => {
    const { left, right, top, height } = element.getBoundingClientRect();
    return { left: left - frame.left, right: right - frame.left, top: top - frame.top, height };
  };
  const grids = [...sites.querySelectorAll(".cards")].map(place);
  const across = {
    from: place(models.parentElement).right,
    to: Math.min(...grids.map((grid) => grid.left)),
  };
  const rows = byKey(models.children);
  const cards = byKey(sites.querySelectorAll(".card"));
  lines.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  keyed(
    lines,
    worthALine(),
    ({ upstream, replica }) => JSON.stringify([replica.model, upstream.name]),
    () => document.createElementNS(SVG, "path"),
    (path, { upstream, replica }) => {
      const row = rows.get(replica.model);
      const card = cards.get(upstream.name);
      if (!row || !card) return;
      const shown = byKey(card.querySelector(".replicas").children).get(replica.model);
      path.setAttribute("d", course(across, place(row), place(card), place(shown ?? card)));
      const width = Math.min(1.5 + 2 * Math.log2(1 + replica.running), 14);
      path.setAttribute("stroke-width", String(width));
      path.dataset.state = ofReplica(upstream, replica);
      path.classList.toggle("flows", replica.running > 0);
    },
  );
}

/** The course of a line from the adapter's edge to a card. */
function course(across, row, card, replica) {
  const start = row.top + row.height / 2;
  // A card with others to its left is reached from above, between the rows.
  const behind = card.left > across.to + 1;
  const end = behind ? card.top - 7 : replica.top + Math.min(replica.height / 2, 14);
  const bend = (across.to - across.from) / 2;
  const curve = `M${across.from},${start} C${across.from + bend},${start} ${across.to - bend},${end} ${across.to},${end}`;
  return behind ? `${curve} H${card.left + 16} q10,0 10,7` : curve;
}

function worthALine() {
  const all = drawn.upstreams.flatMap((upstream) =>
    upstream.replicas.map((replica) => ({ upstream, replica })),
  );
  if (all.length <= MOST_LINES) return all;
  return all.sort((a, b) => b.replica.running - a.replica.running).slice(0, MOST_LINES);
}

const byKey = (elements) => new Map([...elements].map((each) => [each.dataset.key, each]));

new ResizeObserver(drawLines).observe(map);
