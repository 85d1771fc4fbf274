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
  lines.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  const ends = elements(models);
  const cards = new Map(
    [...sites.querySelectorAll(".card")].map((card) => [card.dataset.key, card]),
  );
  const wanted = drawn.upstreams
    .flatMap((upstream) => upstream.replicas.map((replica) => ({ upstream, replica })))
    .sort((a, b) => b.replica.running - a.replica.running)
    .slice(0, MOST_LINES);
  keyed(
    lines,
    wanted,
    ({ upstream, replica }) => JSON.stringify([replica.model, upstream.name]),
    () => document.createElementNS(SVG, "path"),
    (path, { upstream, replica }) => {
      const card = cards.get(upstream.name);
      const from = ends.get(replica.model)?.getBoundingClientRect();
      const row = card && elements(card.querySelector(".replicas")).get(replica.model);
      const to = (row ?? card)?.getBoundingClientRect();
      if (!from || !to) return;
      const edge = card.getBoundingClientRect();
      const [x1, y1] = [from.right - frame.left, from.top + from.height / 2 - frame.top];
      const [x2, y2] = [edge.left - frame.left, to.top + Math.min(to.height / 2, 14) - frame.top];
      const bend = Math.min((x2 - x1) / 2, 120);
      path.setAttribute("d", `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`);
      path.setAttribute("stroke-width", String(Math.min(1.5 + 2 * Math.log2(1 + replica.running), 14)));
      path.dataset.state = ofReplica(upstream, replica);
      path.classList.toggle("flows", replica.running > 0);
    },
  );
}

const elements = (list) => new Map([...list.children].map((child) => [child.dataset.key, child]));

new ResizeObserver(drawLines).observe(map);
