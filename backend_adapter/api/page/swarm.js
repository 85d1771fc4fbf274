// The swarm behind an upstream: which layers are served how often, and by which nodes.

import { keyed, make, say, sayOrHide } from "./dom.js";
import { duration, number, text } from "./texts.js";

const LEFT_OUT = { joining: "nodeJoining", offline: "nodeOffline" };

/** An element with `update(swarm)`, hidden where an upstream tells of no swarm. */
export function createSwarm() {
  const bar = make("div", "layers");
  bar.ariaHidden = "true";
  const covered = make("p", "quiet");
  const missing = make("p", "gap");
  const nodes = make("ul", "nodes");
  const part = make("div", "swarm", bar, covered, missing, nodes);
  part.update = (swarm) => {
    part.hidden = !swarm;
    if (!swarm) return;
    keyed(bar, swarm.coverage.map((count, layer) => ({ count, layer })), ({ layer }) => String(layer),
      () => make("i"),
      (cell, { count }) => { cell.dataset.nodes = count > 1 ? "more" : String(count); });
    sayOrHide(covered, swarm.layers_missing ? "" : text("layersServed", { count: number(swarm.layers) }));
    sayOrHide(missing, swarm.layers_missing ? text("layersMissing", { layers: ranges(swarm.missing) }) : "");
    keyed(nodes, swarm.spans, (node) => `${node.peer} ${node.layers[0]}`,
      () => make("li", "", make("span"), make("span")),
      (row, node) => {
        say(row.firstElementChild, node.name || node.peer.slice(-8));
        row.firstElementChild.title = node.peer;
        say(row.lastElementChild, about(node));
      });
  };
  part.hidden = true;
  return part;
}

/** Ranges of layers as people count: the end is the last one. */
function ranges(missing) {
  return missing.map(([start, end]) => (end - start > 1 ? `${start}–${end - 1}` : `${start}`)).join(", ");
}

function about(node) {
  const [start, end] = node.layers;
  const told = [text("layersOf", { first: start, last: end - 1 })];
  if (node.state in LEFT_OUT) told.push(text(LEFT_OUT[node.state]));
  if (node.round_trip_s !== null) told.push(text("roundTrip", { time: duration(node.round_trip_s) }));
  if (node.cache_tokens_left !== null) told.push(text("roomLeft", { count: number(node.cache_tokens_left) }));
  return told.join(", ");
}
