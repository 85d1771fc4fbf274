// What the page says, in the language of its reader.

const EN = {
  title: "Topology",
  adapter: "Adapter",
  add: "Add upstream",
  forget: "Forget key",
  loginTitle: "Operators only",
  loginWhy:
    "Enter admin_key of [adapter] in hoheit.toml (the secret admin-key of a site). It stays in this tab and is forgotten with it.",
  key: "Admin key",
  enter: "Show topology",
  wrongKey: "The adapter does not accept this key.",
  unusableKey: "A key has only printable ASCII characters, without spaces.",
  live: "live",
  connecting: "connecting …",
  away: "adapter away",
  awaySince: "The adapter does not answer. This is how it was at {time}; the page keeps trying.",
  never: "The adapter does not answer; the page keeps trying.",
  paused: "paused",
  noModels: "No model is known yet.",
  noSite: "No site named",
  noModel: "It has told no models yet.",
  running: "running",
  queued: "waiting",
  tokens: "tokens outstanding",
  ttft: "first token",
  failures: "failures",
  failovers: "failovers",
  engineLoad: "Engine: {running} running, {waiting} waiting",
  kvShare: "KV cache {share}",
  upstreams: "upstreams",
  runningOf: "{running} running, {queued} waiting",
  more: "{count} more",
  fewer: "Fewer",
  ready: "ready",
  notReady: "cannot be asked",
  slow: "slow",
  busy: "overloaded",
  starting: "being checked",
  open: "failed",
  part: "partly failed",
  fault: "away",
  draining: "draining",
  added: "added until restart",
  drain: "Drain",
  resume: "Resume",
  remove: "Remove",
  drainAsk: "Give {name} no new requests? What it is answering goes on.",
  removeAsk: "Remove {name} until the next start or change of the settings? What it is answering goes on.",
  removeAskAdded: "Remove {name}? What it is answering goes on.",
  drainNow: "Yes, drain",
  removeNow: "Yes, remove",
  cancel: "Cancel",
  addTitle: "Add an upstream",
  addWhy: "It stays until the adapter ends. What shall outlast that belongs into hoheit.toml.",
  name: "Name",
  url: "Address of its OpenAI API",
  upstreamKey: "Key, if it needs one",
  engine: "Engine",
  site: "Site",
  models: "Models, separated by commas; empty for all",
  addNow: "Add",
  changes: "Changes",
  noChanges: "Nothing has changed since this page was opened.",
  hasComeUp: "{name} was added.",
  hasGone: "{name} was removed.",
  hasDrained: "{name} gets no new requests.",
  hasResumed: "{name} gets requests again.",
  isAway: "{name} is away: {reason}",
  isBack: "{name} answers again.",
  hasFailed: "{name} failed for {model}: {reason}",
  hasHealed: "{name} answers for {model}.",
  layersMissing: "Nobody serves the layers {layers}: the swarm cannot answer.",
  layersServed: "All {count} layers are served.",
  layersOf: "layers {first} to {last}",
  nodeJoining: "joining",
  nodeOffline: "left",
  roundTrip: "round trip {time}",
  roomLeft: "room for {count} tokens",
  passedOver: "Another upstream answered in place of {name} ({model}).",
  goneOnFrom: "{name} broke off ({model}); another went on with the answer.",
};

const DE = {
  title: "Topologie",
  adapter: "Adapter",
  add: "Upstream hinzufügen",
  forget: "Schlüssel vergessen",
  loginTitle: "Nur für den Betrieb",
  loginWhy:
    "Bitte admin_key aus [adapter] in hoheit.toml eingeben (das Geheimnis admin-key). Er bleibt in diesem Tab und wird mit ihm vergessen.",
  key: "Admin-Schlüssel",
  enter: "Topologie zeigen",
  wrongKey: "Der Adapter nimmt diesen Schlüssel nicht an.",
  unusableKey: "Ein Schlüssel hat nur druckbare ASCII-Zeichen, ohne Leerzeichen.",
  live: "live",
  connecting: "verbinde …",
  away: "Adapter nicht erreichbar",
  awaySince: "Der Adapter antwortet nicht. Dies ist der Stand von {time}; die Seite versucht es weiter.",
  never: "Der Adapter antwortet nicht; die Seite versucht es weiter.",
  paused: "angehalten",
  noModels: "Noch ist kein Modell bekannt.",
  noSite: "Ohne Standort",
  noModel: "Es hat noch keine Modelle genannt.",
  running: "laufen",
  queued: "warten",
  tokens: "Token ausstehend",
  ttft: "erstes Token",
  failures: "Ausfälle",
  failovers: "Übernahmen",
  engineLoad: "Engine: {running} laufen, {waiting} warten",
  kvShare: "KV-Cache {share}",
  upstreams: "Upstreams",
  runningOf: "{running} laufen, {queued} warten",
  more: "{count} weitere",
  fewer: "Weniger",
  ready: "bereit",
  notReady: "nicht verfügbar",
  slow: "langsam",
  busy: "überlastet",
  starting: "wird geprüft",
  open: "ausgefallen",
  part: "teils ausgefallen",
  fault: "nicht erreichbar",
  draining: "wird geleert",
  added: "bis zum Neustart",
  drain: "Leeren",
  resume: "Fortsetzen",
  remove: "Entfernen",
  drainAsk: "{name} keine neuen Anfragen geben? Laufende Antworten gehen weiter.",
  removeAsk:
    "{name} bis zum nächsten Start oder zur nächsten Änderung der Einstellungen entfernen? Laufende Antworten gehen weiter.",
  removeAskAdded: "{name} entfernen? Laufende Antworten gehen weiter.",
  drainNow: "Ja, leeren",
  removeNow: "Ja, entfernen",
  cancel: "Abbrechen",
  addTitle: "Upstream hinzufügen",
  addWhy: "Er bleibt, bis der Adapter endet. Was länger bleiben soll, gehört in hoheit.toml.",
  name: "Name",
  url: "Adresse seiner OpenAI-API",
  upstreamKey: "Schlüssel, falls nötig",
  engine: "Engine",
  site: "Standort",
  models: "Modelle, durch Komma getrennt; leer für alle",
  addNow: "Hinzufügen",
  changes: "Änderungen",
  noChanges: "Seit dem Öffnen der Seite hat sich nichts geändert.",
  hasComeUp: "{name} wurde hinzugefügt.",
  hasGone: "{name} wurde entfernt.",
  hasDrained: "{name} bekommt keine neuen Anfragen.",
  hasResumed: "{name} bekommt wieder Anfragen.",
  isAway: "{name} ist nicht erreichbar: {reason}",
  isBack: "{name} antwortet wieder.",
  hasFailed: "{name} ist für {model} ausgefallen: {reason}",
  hasHealed: "{name} antwortet für {model}.",
  layersMissing: "Niemand hält die Schichten {layers}: Der Schwarm kann nicht antworten.",
  layersServed: "Alle {count} Schichten werden gehalten.",
  layersOf: "Schichten {first} bis {last}",
  nodeJoining: "tritt bei",
  nodeOffline: "ausgetreten",
  roundTrip: "Umlauf {time}",
  roomLeft: "Platz für {count} Token",
  passedOver: "Ein anderer Upstream antwortete anstelle von {name} ({model}).",
  goneOnFrom: "{name} brach ab ({model}); ein anderer setzte die Antwort fort.",
};

const german = /^de\b/i.test(navigator.language || "");
const TEXTS = german ? DE : EN;
const LOCALE = german ? "de" : "en";

const numbers = new Intl.NumberFormat(LOCALE);
const percents = new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 0 });
const times = new Intl.DateTimeFormat(LOCALE, { timeStyle: "medium", hourCycle: "h23" });

/** The text called `name`, with its {placeholders} filled in. */
export function text(name, values = {}) {
  return TEXTS[name].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}

/** Fill in every element that names its text. */
export function fillTexts(root) {
  document.documentElement.lang = LOCALE;
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  document.title = `Hoheit · ${text("title")}`;
}

export const number = (value) => numbers.format(value);

/** A share from 0 to 1. */
export const percent = (value) => percents.format(value);

export const clock = (date) => times.format(date);

/** Seconds as people read them. */
export function duration(seconds) {
  if (seconds === null) return "–";
  return seconds < 1 ? `${number(Math.round(seconds * 1000))} ms` : `${numbers.format(Math.round(seconds * 10) / 10)} s`;
}
