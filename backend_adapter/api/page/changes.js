// What has become different from one look at the adapter to the next, as entries of a list.

/** [text name, values] of each change. */
export function changes(before, after) {
  const found = [];
  const old = new Map(before.upstreams.map((each) => [each.name, each]));
  for (const upstream of after.upstreams) {
    const name = upstream.name;
    const was = old.get(name);
    old.delete(name);
    if (was) found.push(...ofUpstream(was, upstream));
    else found.push(["hasComeUp", { name }]);
  }
  for (const name of old.keys()) found.push(["hasGone", { name }]);
  return found;
}

function ofUpstream(was, is) {
  const found = [];
  const name = is.name;
  if (was.draining !== is.draining) found.push([is.draining ? "hasDrained" : "hasResumed", { name }]);
  if (was.fault === null && is.fault !== null) found.push(["isAway", { name, reason: is.fault }]);
  if (was.fault !== null && is.fault === null) found.push(["isBack", { name }]);
  const old = new Map(was.replicas.map((each) => [each.model, each]));
  for (const replica of is.replicas) {
    const before = old.get(replica.model);
    if (before) found.push(...ofReplica(name, before, replica));
  }
  return found;
}

function ofReplica(name, was, is) {
  const found = [];
  const model = is.model;
  const again = is.failovers.mid_answer - was.failovers.mid_answer;
  const instead = is.failovers.before_first_token - was.failovers.before_first_token;
  if (instead > 0) found.push(["passedOver", { name, model }]);
  if (again > 0) found.push(["goneOnFrom", { name, model }]);
  if (was.circuit === "closed" && is.circuit !== "closed") {
    found.push(["hasFailed", { name, model, reason: is.reason ?? "" }]);
  }
  if (was.circuit !== "closed" && is.circuit === "closed") found.push(["hasHealed", { name, model }]);
  return found;
}
