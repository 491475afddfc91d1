// What makes the pages pleasant; every one of them works without it.
"use strict";

const language = document.documentElement.lang;
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// Spans: "in 14 minutes", as i18n.py writes them.

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const spans = new Intl.RelativeTimeFormat(language);
const nows = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

function relative(instant) {
  const seconds = (instant - Date.now()) / 1000;
  const fits = UNITS.find(([, length]) => Math.abs(seconds) >= length);
  return fits ? spans.format(Math.trunc(seconds / fits[1]), fits[0]) : nows.format(0, "second");
}

function tick(within) {
  for (const time of all("[data-relative]", within)) {
    const text = relative(Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

// Pages that change by themselves, politely: not while hidden, and only what changed is replaced. A stream says when;
// it brings ids, and the page is asked for anew. Without a stream, or should it fall silent, they look now and then.

const REST = 250; // between two looks, at least; and longer where the server has much to do
const QUIET = 15e3; // between two looks that nothing called for, while the stream is there
const AWAY = 5e3;
let looking, stream;
let planned = Infinity; // when the next look is due, on performance.now()'s clock
let rested = 0; // when the next one may be
let asking = false;
let missed = false;

function lookWithin(wait) {
  if (asking) return (missed = true);
  const at = Math.max(performance.now() + wait, rested);
  if (document.hidden || at >= planned) return;
  clearTimeout(looking);
  planned = at;
  looking = setTimeout(look, at - performance.now());
}

function lookLater() {
  const again = one("[data-look-again]")?.dataset.lookAgain;
  if (again) lookWithin(Math.min(Math.max(again, stream?.readyState === 1 ? QUIET : 0), 3600e3));
}

async function look() {
  planned = Infinity;
  if (document.hidden) return;
  const began = performance.now();
  asking = true;
  missed = false;
  const fresh = await page().catch(() => null); // the server is away for a moment
  if (fresh) show(fresh);
  asking = false;
  rested = performance.now() + Math.max(REST, performance.now() - began);
  if (fresh === undefined) return; // signed out, or gone
  if (stream?.readyState === 2) listen(); // somebody on the way refused it, then
  if (missed) lookWithin(0);
  else if (fresh) lookLater();
  else lookWithin(AWAY);
}

async function page() {
  const answer = await fetch(location.href, { headers: { "X-Refresh": "1" } });
  if (answer.ok && !answer.redirected) return new DOMParser().parseFromString(await answer.text(), "text/html");
  if (answer.status >= 500) throw new Error(answer.statusText);
}

function show(fresh) {
  const said = saying();
  if (stream) document.body.dataset.liveAfter = fresh.body.dataset.liveAfter;
  tick(fresh);
  tick(document);
  for (const old of all("[data-live]")) {
    const part = fresh.getElementById(old.id);
    if (part && (!old.dataset.key || old.dataset.key !== part.dataset.key)) renew(old, document.adoptNode(part));
  }
  countDown();
  if (saying() !== said) announce(saying());
}

// Make `old` what `fresh` is, and touch nothing that is so already: what has the focus, is ticked, typed or open stays.
function renew(old, fresh) {
  if (old.isEqualNode(fresh) || "keep" in (old.dataset ?? {})) return;
  if (old.nodeType !== 1) return void (old.data = fresh.data);
  for (const { name } of [...old.attributes]) if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const stays = new Set([...fresh.children].map(({ id }) => id));
  for (const child of [...old.children]) if (child.id && !stays.has(child.id)) child.remove();
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const alike = (each) => each?.nodeName === next.nodeName && (each.id ?? "") === (next.id ?? "");
    const same = next.id ? [...old.children].find(alike) : alike(at) && at;
    while (same && same !== at && at?.nodeType === 3) at = drop(at); // moved, what has the focus would lose it
    if (same && same === at) at = at.nextSibling;
    else old.insertBefore(same || next, at);
    if (same) renew(same, next);
  }
  while (at) at = drop(at);
}

function drop(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

const saying = () => one("[data-live] [data-say]")?.textContent;
let announcing;
let announced = -Infinity;

// At most each five seconds, and then the latest.
function announce(text) {
  clearTimeout(announcing);
  const wait = announced + 5e3 - performance.now();
  if (wait > 0) return (announcing = setTimeout(announce, wait, text));
  announced = performance.now();
  one("[data-announce]").textContent = text ?? "";
}

// Only what is seen has a stream: a browser has few connections for all its tabs.
function listen() {
  stream?.close();
  const { liveAfter, liveTask } = document.body.dataset;
  if (document.hidden || liveAfter === undefined || !window.EventSource) return;
  const asked = new URLSearchParams(liveTask ? { after: liveAfter, task: liveTask } : { after: liveAfter });
  stream = new EventSource(`/live?${asked}`);
  stream.onmessage = () => lookWithin(0);
  stream.onerror = () => lookWithin(AWAY); // by then it has come back by itself, or it does not
}

// Pages show times in this browser's zone, where nobody has set another one for all.
const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (HERE) document.cookie = `zone=${HERE}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;

// Moments: which instant a wall time is in a zone, and how it is said.

function shown(instant, zone) {
  const form = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  return form.format(instant).replace(" ", "T");
}

// The instants at which clocks in `zone` show `wall`: one; none where they skip it; two where they go back.
function instantsOf(wall, zone) {
  const seconds = wall.length === 16 ? wall + ":00" : wall.slice(0, 19);
  const as = Date.parse(seconds + "Z");
  const found = [as - 864e5, as + 864e5]
    .map((near) => as - (Date.parse(shown(near, zone) + "Z") - near))
    .filter((instant) => shown(instant, zone) === seconds);
  return [...new Set(found)].sort((a, b) => a - b);
}

function inWords(instant, zone, wording) {
  const parts = { timeZone: zone, weekday: "long", day: "numeric", month: "long", year: "numeric" };
  const day = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, parts).format(instant).replace(",", "");
  const said = { day, time: shown(instant, zone).slice(11, 16), zone, left: relative(instant), here: hereWhen(instant, zone) };
  return fill(said.here ? wording.sendsHere : wording.sends, said);
}

// The same instant on this browser's clocks, with its day where that is another one; empty where they show the same.
function hereWhen(instant, zone) {
  const [there, here] = [shown(instant, zone), shown(instant)];
  const day = new Intl.DateTimeFormat(language, { weekday: "long" }).format(instant) + " ";
  return there === here ? "" : (there.slice(0, 10) === here.slice(0, 10) ? "" : day) + here.slice(11, 16);
}

function fill(wording, said) {
  return wording.replace(/\{(\w+)\}/g, (_, name) => said[name]);
}

function say(form) {
  const sentence = one("#sentence", form);
  const { scheduled_at: wall, zone, fold } = form.elements;
  if (!sentence || wall.type === "text") return;
  const wording = sentence.dataset;
  let [text, bad] = ["", false];
  try {
    const found = wall.value ? instantsOf(wall.value, zone.value) : [];
    const instant = found.length > 1 ? found[fold?.value] : found[0];
    const past = instant <= Date.now();
    const far = instant > Date.now() + FARTHEST; // the server refuses it, and says so
    bad = wall.value && (found.length !== 1 || past);
    if (instant && !far) text = past ? fill(wording.past, { ago: relative(instant) }) : inWords(instant, zone.value, wording);
    else if (wall.value && !far) text = found.length ? wording.twice : wording.skipped;
  } catch {
    return; // a zone that this browser does not know: the server does
  }
  if (sentence.textContent !== text) sentence.textContent = text;
  mend(form, bad ? `${wall.value} ${zone.value}` : "");
}

// What mends a moment at one click is asked of the server: once for each that is wrong, after a pause in typing.

const PAUSE = 400;
const FARTHEST = 3653 * 864e5;
let mending;

function mend(form, wrong) {
  if (form.dataset.wrong === wrong) return;
  form.dataset.wrong = wrong;
  clearTimeout(mending);
  if (wrong) mending = setTimeout(() => anew(form, "fixes", ["fixes"]), PAUSE);
  else one("#fixes", form).replaceChildren();
}

function offerHere(form) {
  const zones = form.elements.zone;
  if (!zones || !HERE || one("optgroup", zones)) return;
  const group = document.createElement("optgroup");
  group.label = zones.dataset.here;
  group.append(new Option(HERE, HERE));
  zones.prepend(group);
  if (!("guess" in zones.dataset) || zones.value === HERE) return;
  group.firstChild.selected = true;
  anew(form, "zone", ["picks"]);
}

// What was wrong and is mended is no longer said: neither at its field nor in the summary.

function mended(id) {
  document.getElementById(`${id}-wrong`)?.remove();
  const field = document.getElementById(id);
  if (field) field.ariaInvalid = null;
  for (const link of all(".summary li a")) if (link.hash === `#${id}`) link.closest("li").remove();
  one(".summary:has(ul):not(:has(li))")?.remove();
}

// The form that is asked for anew, with everything in it, as its other buttons do without this script. One asks after
// the other: an answer that came late would bring back the fields of a template that is no longer the chosen one.

let answered = Promise.resolve();

function anew(...asked) {
  answered = answered.catch(() => null).then(() => ask(...asked));
  return answered;
}

async function ask(form, wish, ids, file) {
  const sent = new FormData(form);
  sent.set("do", wish);
  if (file) sent.set("file", file);
  else sent.delete("file");
  const request = { method: "POST", body: sent, headers: { "X-Part": "1" }, signal: AbortSignal.timeout(30e3) };
  const answer = await fetch(form.action, request).catch(() => null); // offline: all stays
  if (!answer?.ok || answer.redirected) return null;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ids) {
    const part = fresh.getElementById(id)?.cloneNode(true);
    const old = document.getElementById(id);
    if (!part || !old) continue; // a mail that has moved on is put off no more
    if (old.dataset.key ? old.dataset.key === part.dataset.key : old.isEqualNode(part)) continue;
    keepTyped(old, part, sent);
    keepFocus(old, () => renew(old, document.adoptNode(part)));
  }
  keepUnseen(form, fresh);
  form.dispatchEvent(new Event("input"));
  return fresh;
}

// What was typed while this was under way counts more than what was sent.
function keepTyped(old, part, sent) {
  for (const field of all("input:not([type=radio], [type=checkbox]), textarea", old)) {
    const same = all("input, textarea", part).find(({ name }) => name === field.name);
    if (!same) continue;
    if (field.value === sent.get(field.name)) field.value = same.value;
    else same.value = field.value;
  }
}

// With its caret: a field that is new, or that had to be moved, would begin at its first letter.
function keepFocus(within, change) {
  const had = within.contains(document.activeElement) ? document.activeElement : null;
  const [from, to] = [had?.selectionStart, had?.selectionEnd];
  change();
  const has = had?.id && document.getElementById(had.id);
  if (!has || has === document.activeElement) return;
  has.focus();
  if (typeof from === "number") has.setSelectionRange(from, to);
}

function keepUnseen(form, fresh) {
  const unseen = (within) => all("input[type=hidden][name^='variables.']", within);
  unseen(form).forEach((field) => field.remove());
  unseen(fresh).forEach((field) => form.prepend(document.adoptNode(field)));
}

// The preview: the form goes into its frame by itself, after a pause in typing. The page in there runs no script.

function preview(form) {
  const frame = one("iframe[name=preview]", form);
  let waiting, asking;
  let wanted; // whom somebody has asked for, until they are shown: what is typed meanwhile must not bring back the others
  const later = (event) => {
    clearTimeout(waiting);
    if (["recipients", "scheduled_at", "zone", "fold", undefined].includes(event.target.name)) label({});
    if (!event.isComposing) waiting = setTimeout(show, PAUSE);
  };
  // The button says what it will do, as far as the server knows: until it has answered, no more than it is sure of.
  const label = (known) => {
    for (const name of ["now", "later"]) {
      const told = one(`.if-${name} .told`, form);
      told.textContent = known[name] ?? told.dataset.plain;
    }
  };
  async function show(address) {
    const within = frame.contentDocument;
    if (!within?.forms[0]) return;
    clearTimeout(waiting);
    asking?.abort();
    wanted = address ?? wanted;
    const { signal } = (asking = new AbortController());
    const asked = { method: "POST", body: new FormData(form), headers: { "X-Refresh": "1" }, signal };
    const answer = await fetch(wanted ?? within.forms[0].action, asked).catch(() => null);
    const text = answer?.ok && !answer.redirected && (await answer.text().catch(() => null));
    if (!signal.aborted) wanted = undefined;
    if (text) put(new DOMParser().parseFromString(text, "text/html"), within);
  }
  function put(fresh, within) {
    label(fresh.body.dataset);
    within.forms[0].action = fresh.forms[0].action;
    form.elements.person.value = new URL(fresh.forms[0].action).searchParams.get("person");
    for (const id of ["parts", "facts", "mail"]) {
      const [old, part] = [within.getElementById(id), fresh.getElementById(id)];
      if (old.isEqualNode(part)) continue;
      const focus = old.contains(within.activeElement) && within.activeElement.id;
      old.replaceWith(within.adoptNode(part));
      if (focus) within.getElementById(focus)?.focus({ preventScroll: true });
    }
  }
  function begin() {
    frame.contentDocument.addEventListener("submit", (event) => {
      event.preventDefault();
      show(event.submitter?.formAction);
    });
    show();
  }
  if (frame?.contentDocument?.readyState === "complete" && frame.contentDocument.forms[0]) begin();
  frame?.addEventListener("load", begin);
  for (const moved of frame ? ["input", "change", "compositionend"] : []) form.addEventListener(moved, later);
}

// The back button, or a reload, may fetch the form anew: it is still the same form, with the same key, and so not sent twice.
function keepKey({ key }) {
  const back = performance.getEntriesByType("navigation")[0]?.type !== "navigate";
  if (key && back && history.state?.key && !("fresh" in key.dataset)) key.value = history.state.key;
  else if (key) history.replaceState({ key: key.value }, "");
}

function prepare(form) {
  keepKey(form.elements);
  offerHere(form);
  say(form);
  preview(form);
  const time = () => form.elements.scheduled_at.value + form.elements.zone.value;
  const asItCame = time();
  form.addEventListener("input", ({ target }) => {
    say(form);
    if (time() !== asItCame && form.elements.scheduled_at.value && !form.dataset.wrong) ["scheduled_at", "zone"].forEach(mended);
    if (target.value && !["recipients", "scheduled_at", "zone"].includes(target.name)) mended(target.id);
  });
  form.addEventListener("change", ({ target }) => {
    if (/^(template|subject|columns\..+)$/.test(target.name)) anew(form, "look", ["fields"]);
    if (target.name === "zone" && form.id === "letter") anew(form, "zone", ["picks"]);
    say(form);
  });
  form.addEventListener("click", (event) => {
    const pick = event.target.closest("[data-wall]");
    const wall = form.elements.scheduled_at;
    if (!pick || wall.type === "text") return;
    event.preventDefault();
    wall.value = pick.dataset.wall;
    form.dispatchEvent(new Event("input"));
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.keyCode !== 229) return;
    // An input method's Enter chooses a word; it sends nothing. Safari says so by 229 only.
    if (event.isComposing || event.keyCode === 229) {
      if (event.key === "Enter" && event.target.tagName === "INPUT") event.preventDefault();
    } else if (form.id === "letter" && event.target.matches("input:not([type=file])") && !event.ctrlKey && !event.metaKey) {
      event.preventDefault(); // nobody sends a mail by accident
    } else if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      form.requestSubmit(one("button.main", form));
    }
  });
  form.addEventListener("submit", (event) => {
    const button = one("button.main", form);
    if (button.ariaBusy === "true") event.preventDefault(); // the second click of a double one
    else if (event.submitter?.name !== "do") button.ariaBusy = "true";
  });
}

// Undo: its button counts down and goes when it is too late; the key z presses it, once.

function countDown() {
  for (const button of all("[data-undo]:not([data-undo=''])")) {
    button.dataset.until ??= Date.now() + button.dataset.undo * 1000;
    const left = Math.ceil((button.dataset.until - Date.now()) / 1000);
    if (left > 0) one("span", button).textContent = fill(button.dataset.counting, { n: left });
    else button.form.remove();
  }
}

function undo() {
  const row = document.activeElement.closest("tr") ?? document.createElement("tr");
  const button = one(".flash [data-undo], #actions [data-undo]") ?? one("[data-undo]", row); // no other mail of many
  if (!button || button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  button.click();
}

// Keys: z undoes, / searches, ? tells all keys, Escape closes what is open around the focus, or else chooses nothing.

function search(event) {
  event.preventDefault();
  const field = one("#q");
  if (field) field.select();
  else location.assign("/history#q");
}

function tellKeys() {
  const keys = one("#keys");
  if (!keys) return;
  keys.open = !keys.open;
  one("summary", keys).focus();
}

function chooseNothing() {
  all("input.box, .bulk [name=all]").forEach((box) => (box.checked = false));
  choose();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
  const open = event.key === "Escape" && event.target.closest("details[open]");
  if (open) {
    open.open = false;
    one("summary", open).focus();
  } else if (!event.target.closest("input:not(.box), textarea, select")) {
    ({ z: undo, "/": search, "?": tellKeys, Escape: chooseNothing })[event.key]?.(event);
  }
});

// Whom it goes to. The text is what counts; here it is shown as chips, or, where there are many, by its number.

const SAID = ["recipients-said", "counted", "fields"];
const CLOSED = /"(?:\\.|[^"\\])*"?|<[^<>]*>?/g; // in which a comma parts nothing

function parts(text) {
  const marks = text.replace(CLOSED, (closed) => "x".repeat(closed.length));
  const found = [];
  let start = 0;
  for (const mark of [...marks.matchAll(/[,;，；、\n]/g), { index: text.length }]) {
    found.push(text.slice(start, mark.index).trim());
    start = mark.index + 1;
  }
  return found;
}

function chip([who, why], { remove, edit }) {
  const made = document.createElement("li");
  made.className = why ? "chip bad" : "chip";
  const [name, cross, reason] = ["button", "button", "small"].map((tag) => document.createElement(tag));
  name.type = cross.type = "button";
  name.textContent = who;
  name.title = edit.replace("{who}", who);
  cross.textContent = "×";
  cross.ariaLabel = remove.replace("{who}", who);
  reason.textContent = why;
  made.append(name, cross, ...(why ? [reason] : []));
  return made;
}

function people(form) {
  const field = one("#to", form);
  const text = one("textarea", field);
  const [box, list, adding, toggle] = ["div", "ul", "input", "button"].map((tag) => document.createElement(tag));
  let items = [];
  let place = null; // where the chip stood that is being edited
  let asText = false;
  let known = text.defaultValue;
  let waiting;

  box.className = "chips";
  toggle.className = "quiet";
  toggle.type = "button";
  Object.assign(adding, { id: "adding", autocomplete: "off", autocapitalize: "none", spellcheck: false, enterKeyHint: "done" });
  adding.setAttribute("aria-labelledby", "recipients-label");
  adding.setAttribute("aria-describedby", "recipients-hint");
  box.append(list, adding);
  text.before(box);
  one(".files", field).append(toggle);

  function show() {
    const listed = one("#counted", field).dataset.items;
    field.dataset.view = asText ? "text" : listed ? "chips" : "sum";
    text.tabIndex = asText ? 0 : -1;
    toggle.textContent = asText ? field.dataset.done : field.dataset.asText;
    const wrong = one("#recipients-wrong", field);
    for (const each of [text, adding]) each.ariaInvalid = wrong ? "true" : null;
    if (listed) draw(JSON.parse(listed));
  }

  function draw(fresh) {
    items = fresh;
    const at = [...list.children].findIndex((each) => each.contains(document.activeElement));
    list.replaceChildren(...items.map((item) => chip(item, field.dataset)));
    if (at >= 0) (one("button", list.children[Math.min(at, items.length - 1)] ?? box) ?? adding).focus();
    adding.placeholder = items.length ? "" : text.placeholder;
  }

  function write(fresh) {
    draw(fresh);
    text.value = items.map(([who]) => who).join("\n");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function add(typed) {
    const fresh = parts(typed).filter(Boolean).map((who) => [who, ""]);
    if (fresh.length) write(items.toSpliced(place ?? items.length, 0, ...fresh));
    place = null;
  }

  function take() {
    const typed = adding.value;
    adding.value = "";
    add(typed);
  }

  function edit(at) {
    take();
    adding.value = items[at][0];
    write(items.toSpliced(at, 1));
    place = at;
    adding.focus();
  }

  function remove(at) {
    place = null;
    write(items.toSpliced(at, 1));
    if (!items.length) adding.focus();
  }

  async function look() {
    clearTimeout(waiting);
    const asked = (known = text.value);
    if ((await anew(form, "look", SAID)) && text.value === asked) told();
  }

  async function wish(what, file) {
    take();
    clearTimeout(waiting);
    const fresh = await anew(form, what, SAID, file);
    if (!fresh) return;
    known = text.value = one("#recipients", fresh).value;
    asText = false;
    told();
    text.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function told() {
    show();
    if (!one("#recipients-wrong", field)) mended("recipients");
    one("[data-announce]").textContent = one("#counted", field).dataset.say;
  }

  function bring(file) {
    if (file.size < field.dataset.most) wish("upload", file);
    else one("#recipients-said", field).textContent = field.dataset.large;
  }

  text.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(look, 500);
  });
  text.addEventListener("focus", () => {
    asText = true;
    show();
  });
  toggle.addEventListener("click", () => {
    asText = !asText;
    show();
    if (asText) text.focus();
    else if (text.value !== known) look();
  });
  one("#recipients-label").addEventListener("click", (event) => {
    if (asText) return;
    event.preventDefault();
    adding.focus();
  });

  const typing = (event) => {
    if (event.isComposing) return;
    const whole = parts(adding.value);
    const rest = whole.pop();
    if (!whole.length) return;
    adding.value = rest;
    add(whole.join("\n"));
  };
  adding.addEventListener("input", typing);
  adding.addEventListener("compositionend", typing);
  // Not under the pointer that is just pressing a button, and not from under somebody who goes on typing.
  adding.addEventListener("blur", () => setTimeout(() => document.activeElement !== adding && take(), 200));
  adding.addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter") take();
    if (event.key === "Backspace" && !adding.value && items.length) {
      event.preventDefault();
      one("button", list.lastChild).focus();
    }
  });
  adding.addEventListener("paste", (event) => {
    const pasted = event.clipboardData.getData("text");
    if (!/[\n\t]/.test(pasted.trim())) return;
    event.preventDefault();
    if (items.length || adding.value) return bring(new File([pasted], field.dataset.pasted));
    text.value = pasted;
    text.dispatchEvent(new Event("change", { bubbles: true }));
    look();
  });
  list.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    const at = [...list.children].indexOf(button?.closest("li"));
    if (at >= 0) button.nextSibling?.tagName === "BUTTON" ? edit(at) : remove(at);
  });
  list.addEventListener("keydown", (event) => {
    const at = [...list.children].indexOf(event.target.closest("li"));
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1 }[event.key];
    if (["Backspace", "Delete"].includes(event.key)) remove(at);
    else if (to !== undefined) (one("button", list.children[to] ?? box.lastChild) ?? adding).focus();
    else return;
    event.preventDefault();
  });

  one("#file", field).addEventListener("change", ({ target }) => {
    if (target.files[0]) bring(target.files[0]);
    target.value = "";
  });
  field.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
  field.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    bring(event.dataTransfer.files[0]);
  });
  form.addEventListener("click", (event) => {
    const what = event.target.closest("[value=leave-out]:not(:disabled)")?.value;
    if (!what) return;
    event.preventDefault();
    wish(what);
  });
  form.addEventListener("submit", take);
  // The browser may have brought back what was typed before.
  addEventListener("pageshow", () => text.value !== known && look());
  show();
}

function editSubject(form) {
  form.addEventListener("click", async (event) => {
    if (!event.target.closest("#edit-subject")) return;
    event.preventDefault();
    await anew(form, "subject", ["fields"]);
    // Who has gone on typing elsewhere meanwhile is left alone: an address must not end up in the subject.
    if (document.activeElement === document.body || one("#fields", form).contains(document.activeElement)) one("#subject", form).focus();
  });
}

// Many at once: one box for all on the page, and how many are chosen.

function choose(ticked) {
  const [boxes, whole, chosen] = [all("input.box"), one("[data-all-of]"), one("#chosen")];
  if (!whole) return;
  if (ticked === whole) boxes.forEach((box) => (box.checked = whole.checked));
  const n = boxes.filter(({ checked }) => checked).length;
  whole.checked = n > 0 && n === boxes.length;
  whole.indeterminate = n > 0 && n < boxes.length;
  chosen.hidden = !n;
  chosen.textContent = fill(chosen.dataset.chosen, { n });
}

document.addEventListener("change", ({ target }) => target.matches("input.box, [data-all-of]") && choose(target));
addEventListener("pageshow", () => choose()); // the browser may have brought back what was chosen

// Drafts: the form saves itself, soon after typing stops and when the page is left. Until the server has it, this tab
// keeps it as well, and hands it over from whichever page of ours comes next.

const SOON = 1500;
const AGAIN = 10000;
const COPY = "draft:";
const NOT_TYPED = ["key", "saved", "by", "seen", "editor", "turn", "do", "file", "test_to", "test_key", "person"];

function typed(form) {
  const kept = ([name, value]) => !NOT_TYPED.includes(name) && typeof value === "string";
  const pending = one("#adding", form)?.value.trim(); // no chip yet
  const found = [...new FormData(form)].filter(kept).map(([name, value]) =>
    name === "recipients" && pending ? [name, `${value}\n${pending}`.trim()] : [name, value]);
  return found.sort(([one], [other]) => (one < other ? -1 : 1));
}

// What became of it: saved, sent (it was, before), away (the server), out (signed out), other (account), large, often.
async function deliver(fields, signal) {
  const body = new FormData();
  for (const [name, value] of fields) body.append(name, value);
  const keepalive = JSON.stringify(fields).length < 2e4; // browsers refuse more
  const asked = { method: "POST", body, headers: { "X-Refresh": "1" }, keepalive, signal };
  const answer = await fetch("/drafts", asked).catch(() => ({ status: 500 }));
  const given = answer.ok && !answer.redirected ? await answer.json().catch(() => null) : null;
  if (given) return [given.key ? "saved" : "sent", given];
  if (answer.redirected) return ["out"];
  return [{ 403: "other", 413: "large", 429: "often" }[answer.status] ?? "away"];
}

function copyOf(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return null;
  }
}

function drafts(form) {
  const { key, saved, by, seen } = form.elements;
  const keeping = one("#keeping", form);
  const said = one("p", keeping);
  const name = () => COPY + key.value;
  const text = () => JSON.stringify(typed(form));
  const blank = () => !typed(form).some(([field, value]) => /^(recipients|subject|variables)/.test(field) && value.trim());
  const hidden = (name, value) => Object.assign(document.createElement("input"), { type: "hidden", name, value });
  const [editor, turn] = [hidden("editor", Math.random().toString(36).slice(2)), hidden("turn", 0)];
  form.append(editor, turn);
  let known = "untold" in keeping.dataset ? "" : text();
  let [waiting, asking, asked, beside] = [0, null, "", ""];

  const tell = (what) => said.textContent === what || (said.textContent = what);
  const later = (after) => {
    clearTimeout(waiting);
    waiting = setTimeout(save, after);
  };
  const all = () => [...typed(form), ...[key, saved, by, seen, editor, turn].filter(Boolean).map(({ name, value }) => [name, value])];

  function copy() {
    try {
      sessionStorage.setItem(name(), JSON.stringify(all()));
    } catch {
      // more than a browser keeps: the server may still take it
    }
  }

  async function save() {
    clearTimeout(waiting);
    const fresh = text();
    if (fresh === known || fresh === asked || (blank() && !saved.value)) return;
    asked = fresh;
    turn.value++;
    copy();
    asking?.abort();
    const { signal } = (asking = new AbortController());
    const [what, given] = await deliver(all(), signal);
    if (signal.aborted) return; // a newer one, or the form itself, is on its way: what came in just before counts no more
    asked = "";
    if (what === "saved") return taken(fresh, given);
    if (what === "sent") sessionStorage.removeItem(name());
    else if (!["large", "other"].includes(what)) later(AGAIN);
    if (what === "sent") known = fresh;
    tell(given?.told ?? keeping.dataset[what]);
  }

  function taken(fresh, given) {
    known = fresh;
    sessionStorage.removeItem(name());
    [key.value, saved.value] = [given.key, given.saved];
    if (text() !== fresh) copy();
    const time = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format();
    beside = given.told || beside;
    tell(`${beside} ${fill(keeping.dataset.saved, { time })}`.trim());
    history.replaceState({ key: given.key }, "", given.here);
  }

  for (const moved of ["input", "change", "compositionend"])
    form.addEventListener(moved, (event) => event.isComposing || later(SOON));
  addEventListener("pagehide", save);
  addEventListener("online", save);
  document.addEventListener("visibilitychange", () => document.hidden && save());
  one("button", keeping).addEventListener("click", (event) => {
    event.preventDefault();
    if (text() === known) tell(keeping.dataset.plain);
    else save();
  });
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.submitter?.formTarget) return;
    asking?.abort();
    clearTimeout(waiting);
    copy();
    asked = text(); // all of it is on its way to the server already
  });
  addEventListener("pageshow", () => (asked = ""));
  offer(form, copyOf(name()), editor, turn, blank());
  if (known === "") save();
}

// What becomes of a test that was just sent, as its own page tells it.
async function followTest(told) {
  const answer = await fetch(told.dataset.follow, { headers: { "X-Refresh": "1" } }).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const badge = one("#head .badge", new DOMParser().parseFromString(await answer.text(), "text/html"));
  const old = one(".badge", told);
  if (!old.isEqualNode(badge)) old.replaceWith(document.adoptNode(badge));
  if (["queued", "started"].includes(badge.dataset.status)) setTimeout(followTest, 1000, told);
}

// What this tab kept of this very form, and the server has not: after a reload, or when the browser was gone.
function offer(form, kept, editor, turn, blank) {
  const back = one("#unsaved");
  const fields = Object.fromEntries(kept ?? []);
  if (fields.by !== form.elements.by.value) return;
  const name = COPY + fields.key;
  [editor.value, turn.value] = [fields.editor, fields.turn]; // this tab wrote it, and may go on from it
  const same = JSON.stringify(kept.filter(([field]) => !NOT_TYPED.includes(field))) === JSON.stringify(typed(form));
  if (same) return sessionStorage.removeItem(name);
  for (const [field, value] of kept) {
    const carried = document.createElement("textarea");
    Object.assign(carried, { name: field, value, hidden: true });
    back.append(carried);
  }
  back.addEventListener("submit", () => sessionStorage.removeItem(name));
  one("[data-throw]", back).addEventListener("click", () => {
    sessionStorage.removeItem(name);
    back.remove();
  });
  back.hidden = false;
  if (blank) back.requestSubmit(one("button", back));
}

// What was typed on a page before this one, and has not been heard of since.
async function handOver() {
  const here = COPY + one("#letter")?.elements.key.value;
  for (const name of Object.keys(sessionStorage).filter((name) => name.startsWith(COPY) && name !== here)) {
    const [what] = await deliver(copyOf(name) ?? []);
    if (["saved", "sent"].includes(what)) sessionStorage.removeItem(name);
  }
}

all("form:has(#scheduled_at)").forEach(prepare);
all("#letter").forEach((form) => [people, editSubject, drafts].forEach((part) => part(form)));
handOver();
all('[data-follow]').forEach(followTest);
countDown();
if (location.hash === "#q") one("#q")?.focus();
if (!("autofocus" in HTMLElement.prototype)) one("[autofocus]")?.focus();
addEventListener("pageshow", () => all("[aria-busy]").forEach((busy) => (busy.ariaBusy = null)));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && one("[data-live]")) lookWithin(0);
  listen();
});
setInterval(() => {
  if (document.hidden) return;
  countDown();
  tick(document);
  all("form:has(#scheduled_at)").forEach(say);
}, 1000);
listen();
lookLater();
