// One upstream as a card: how it is, what it carries, and what an operator can do with it.

import { button, keyed, make, say, sayOrHide } from "./dom.js";
import { ofReplica, ofUpstream, showState, stateLabel } from "./health.js";
import { createSwarm } from "./swarm.js";
import { duration, number, percent, text } from "./texts.js";

// More models than this are folded away.
const SHOWN = 5;

/** A card that calls `act(action, name)`, a promise of an error's text or nothing, when asked to. */
export function createCard(upstream, act) {
  const card = make("article", "card");
  const name = make("h3");
  const engine = make("span", "tag");
  const added = make("span", "tag added", text("added"));
  const health = stateLabel();
  const fault = make("p", "reason");
  fault.lang = "en";
  const swarm = createSwarm();
  const replicas = make("ul", "replicas");
  const fold = button("", () => {
    card.classList.toggle("unfolded");
    card.update();
  }, "plain");
  const empty = make("p", "quiet", text("noModel"));
  const actions = make("div", "buttons");
  const question = make("div", "question");
  question.hidden = true;
  const refused = make("p", "fault");
  refused.role = "alert";
  refused.hidden = true;

  const go = async (action) => {
    actions.inert = true;
    sayOrHide(refused, await act(action, card.upstream.name));
    actions.inert = false;
  };
  const drain = button(text("drain"), () => askFirst(drain, "drainAsk", "drainNow", "drain"));
  const resume = button(text("resume"), () => go("resume"));
  const remove = button(text("remove"), () => {
    const why = card.upstream.from_settings ? "removeAsk" : "removeAskAdded";
    askFirst(remove, why, "removeNow", "remove");
  });
  actions.append(drain, resume, remove);

  function askFirst(asker, why, yes, action) {
    const close = () => {
      question.hidden = true;
      actions.hidden = false;
      asker.focus();
    };
    const sure = make("p", "", text(why, { name: card.upstream.name }));
    const cancel = button(text("cancel"), close);
    const confirm = button(text(yes), () => {
      close();
      go(action);
    }, "danger");
    question.replaceChildren(sure, make("div", "buttons", confirm, cancel));
    question.role = "group";
    question.ariaLabel = sure.textContent;
    question.onkeydown = (event) => event.key === "Escape" && close();
    question.hidden = false;
    actions.hidden = true;
    cancel.focus();
  }

  const top = make("header", "", name, health);
  card.append(top, make("p", "tags", engine, added), fault, swarm, replicas, fold, empty, refused, question, actions);

  card.update = () => {
    const { upstream: now, most } = card;
    card.dataset.state = ofUpstream(now);
    say(name, now.name);
    say(engine, now.engine);
    added.hidden = now.from_settings;
    showState(health, ofUpstream(now));
    sayOrHide(fault, now.fault);
    swarm.update(now.swarm);
    drain.hidden = now.draining;
    resume.hidden = !now.draining;
    const shown = card.classList.contains("unfolded") ? now.replicas : important(now);
    const hidden = now.replicas.length - shown.length;
    fold.hidden = now.replicas.length <= SHOWN;
    say(fold, hidden ? text("more", { count: number(hidden) }) : text("fewer"));
    empty.hidden = now.replicas.length > 0 || now.fault !== null;
    keyed(replicas, shown, (replica) => replica.model, createReplica, (row, replica) =>
      row.update(now, replica, most),
    );
  };
  return card;
}

/** Those models that somebody should see first: what is busy or not well, then the others. */
function important(upstream) {
  if (upstream.replicas.length <= SHOWN) return upstream.replicas;
  const weight = (replica) => (replica.circuit === "open" ? 1e9 : replica.running);
  const first = [...upstream.replicas].sort((a, b) => weight(b) - weight(a)).slice(0, SHOWN);
  return upstream.replicas.filter((replica) => first.includes(replica));
}

function createReplica() {
  const model = make("span", "model");
  const health = stateLabel();
  const fill = make("i");
  const bar = make("div", "bar", fill);
  bar.ariaHidden = "true";
  const figures = make("dl", "figures");
  const engine = make("p", "reason");
  const reason = make("p", "reason");
  reason.lang = "en";
  const row = make("li", "replica", make("div", "line", model, health), bar, figures, engine, reason);
  row.update = (upstream, replica, most) => {
    const state = ofReplica(upstream, replica);
    row.dataset.state = state;
    say(model, replica.model);
    model.title = replica.model;
    showState(health, state);
    // Where the card's own state says it all.
    health.hidden = upstream.fault !== null || upstream.draining || upstream.replicas.length === 1;
    fill.style.width = `${(100 * replica.outstanding_tokens) / Math.max(most, 1)}%`;
    sayOrHide(reason, state === "ready" || upstream.fault !== null ? "" : replica.reason);
    const told = [
      ["running", number(replica.running)],
      ["tokens", number(replica.outstanding_tokens)],
      ["ttft", duration(replica.ttft_s)],
    ];
    const failovers = replica.failovers.before_first_token + replica.failovers.mid_answer;
    if (replica.failures) told.push(["failures", number(replica.failures)]);
    if (failovers) told.push(["failovers", number(failovers)]);
    showFigures(figures, told);
    sayOrHide(engine, engineLoad(replica.engine_load));
  };
  return row;
}

/** What an engine says of its own load; nothing where it tells none. */
function engineLoad(load) {
  if (!load) return "";
  const { running, waiting, kv_cache_share: share } = load;
  const said = text("engineLoad", { running: number(running), waiting: number(waiting) });
  return share === null ? said : `${said}, ${text("kvShare", { share: percent(share) })}`;
}

/** Figures with their names, in step with `told`: pairs of a text's name and a value. */
export function showFigures(list, told) {
  keyed(
    list,
    told,
    ([name]) => name,
    ([name]) => make("div", "", make("dt", "", text(name)), make("dd")),
    (figure, [, value]) => say(figure.lastElementChild, value),
  );
}
