// What state things are in, in one word. Each word has a sign of its own, so that no colour is needed to read it.

import { make, say } from "./dom.js";
import { text } from "./texts.js";

const SIGNS = {
  ready: "●",
  slow: "◐",
  busy: "◐",
  part: "◐",
  starting: "○",
  open: "▲",
  fault: "▲",
  draining: "❚❚",
};

/** The state of one model at one upstream. */
export function ofReplica(upstream, replica) {
  if (upstream.fault !== null) return "fault";
  if (upstream.draining) return "draining";
  if (replica.circuit === "open") return "open";
  if (replica.circuit !== "closed") return "starting";
  if (replica.busy) return "busy";
  return replica.slow ? "slow" : "ready";
}

/** The state of an upstream as a whole. */
export function ofUpstream(upstream) {
  if (upstream.draining) return "draining";
  if (upstream.fault !== null) return "fault";
  const states = new Set(upstream.replicas.map((replica) => ofReplica(upstream, replica)));
  if (states.size === 0) return "starting";
  if (states.size === 1) return [...states][0];
  if (states.has("open")) return "part";
  return ["busy", "slow", "starting"].find((state) => states.has(state)) ?? "ready";
}

/** A label that tells a state; `showState` keeps it in step. */
export function stateLabel() {
  const sign = make("span", "sign");
  sign.ariaHidden = "true";
  return make("span", "health", sign, make("span", "word"));
}

export function showState(label, state, word = text(state)) {
  label.dataset.state = state;
  say(label.firstElementChild, SIGNS[state]);
  say(label.lastElementChild, word);
}
