// The pages work without this. With it they keep themselves up to date. The server renders everything; what changed
// is read again and merged in.
"use strict";

// Between two readings of a page: the first time, and the most as long as there is something new each time.
const REFRESH_MS = 250;
const REFRESH_MAX_MS = 1000;
const RETRY_MS = 3000; // until a refused event stream is tried again

const $ = (id) => document.getElementById(id);
document.documentElement.classList.add("js");

// A browser may keep nothing for a page, which then does without.
function stored(storage, name, value) {
  try {
    const kept = window[storage].getItem(name);
    if (value !== undefined) window[storage].setItem(name, value);
    return kept;
  } catch {
    return null;
  }
}

// ---- Times: UTC as they come, then the reader's own; UTC stays where the pointer rests ----

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

function localise(page) {
  const today = new Date().toDateString();
  for (const time of page.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.textContent = (at.toDateString() === today ? clock : day).format(at);
  }
}

// ---- Numbers, as the scripts of forms tell them ----

const numbers = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

// How long something takes, as far as that can be told before.
function about(seconds) {
  const units = [[31536000, "y"], [86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const at = units.findIndex(([size]) => seconds >= size);
  if (at < 0) return "less than a second";
  const [size, name] = units[at];
  const [next, nextName] = units[at + 1] ?? [];
  const rest = next ? Math.floor((seconds % size) / next) : 0;
  return `about ${numbers.format(Math.floor(seconds / size))} ${name}${rest ? ` ${rest} ${nextName}` : ""}`;
}

// ---- Merging a newly rendered page into this one ----

// Of a form, `form.id` would be its field of that name.
const idOf = (node) => node.getAttribute?.("id");

function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || idOf(old) !== idOf(fresh)) {
    old.replaceWith(document.importNode(fresh, true));
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = fresh.data;
    return;
  }
  if ("keep" in old.dataset) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  mergeChildren(old, fresh);
}

// Children with an id are found by it, so that a row stays the same when others come before it.
function mergeChildren(old, fresh) {
  const known = new Map([...old.children].filter(idOf).map((child) => [idOf(child), child]));
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const id = idOf(child);
    const twin = id ? known.get(id) : at && !idOf(at) && at.nodeName === child.nodeName ? at : null;
    if (!twin) {
      old.insertBefore(document.importNode(child, true), at);
      continue;
    }
    if (twin === at) at = at.nextSibling;
    else old.insertBefore(twin, at);
    merge(twin, child);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// ---- Reading the page again when something on it changed ----

let isDirty = false;
let isReading = false;

async function refresh() {
  isDirty = true;
  if (isReading || isHeld || document.hidden) return;
  isReading = true;
  let wait = REFRESH_MS;
  while (isDirty && !isHeld && !document.hidden) {
    isDirty = false;
    let pause = wait;
    wait = Math.min(2 * wait, REFRESH_MAX_MS);
    try {
      const response = await fetch(location.href, { headers: { accept: "text/html", "hive-refresh": "1" }, cache: "no-store" });
      if (response.redirected) {
        // To the login: the session has ended.
        location.reload();
        return;
      }
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const main = page.getElementById("main");
      if (isHeld) break;
      if (response.status === 503) {
        // It passes; what is shown, and what was typed, stays meanwhile.
        show("lost", "Waiting for the Queen…");
        const why = page.getElementById("problem-detail")?.textContent;
        tellAway(`The Queen does not answer at present${why ? `: ${why}` : ""}. This page shows what was before, and goes on by itself.`);
        pause = Number(response.headers.get("retry-after")) * 1000 || RETRY_MS;
        isDirty = true;
      } else if (main) {
        localise(main);
        // What is there for browsers without scripts was parsed, too.
        for (const none of main.querySelectorAll("noscript")) none.replaceChildren();
        const focused = document.activeElement;
        merge($("main"), main);
        // What is moved within the page loses it.
        if (focused.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
        document.title = page.title;
        tellStart();
        if (events?.readyState === EventSource.OPEN) show("live", "Live");
      }
    } catch {
      // The event stream notices as well, and reads again when the Queen is back.
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  isReading = false;
}

// ---- The event stream; none while the page cannot be seen ----

let events = null;
let retry = 0;
let isHeld = false; // by the reader, who wants to look at it as it is

function show(state, text) {
  const live = $("live");
  if (live.dataset.state === state) return;
  live.dataset.state = state;
  live.textContent = text;
  if (state !== "lost") tellAway("");
}

// ---- The Queen: that she is away, and that she was started anew while somebody looked ----

let lostAt = null;

function tellAway(text) {
  if (!text) lostAt = null;
  $("away").hidden = !text;
  $("away-text").textContent = text;
}

// For as long as this tab is open, or until it is dismissed.
function tellStart() {
  const { started } = $("main").dataset;
  if (!started) return;
  const known = stored("sessionStorage", "started");
  if (known && known !== started) stored("sessionStorage", "anew", started);
  stored("sessionStorage", "started", started);
  const anew = stored("sessionStorage", "anew");
  $("anew").hidden = !anew;
  if (!anew) return;
  $("anew-at").dateTime = anew;
  localise($("anew"));
}

$("anew-close").addEventListener("click", () => {
  stored("sessionStorage", "anew", "");
  $("anew").hidden = true;
});

function listen() {
  clearTimeout(retry);
  events?.close();
  events = null;
  const { live } = $("main").dataset;
  $("hold").hidden = !live;
  if (document.hidden || isHeld || !live) return;
  events = new EventSource(`/events?event=${live}`);
  events.onopen = () => {
    show("live", "Live");
    refresh();
  };
  events.onerror = () => {
    show("lost", "Not reached");
    // One that breaks is mostly there again at the first attempt.
    if (lostAt) tellAway(`The Queen cannot be reached since ${clock.format(lostAt)}; this page shows what was then, and goes on by itself when she is back.`);
    else lostAt = new Date();
    if (events?.readyState !== EventSource.CLOSED) return;
    // It may be refused because the session has ended, which the page tells.
    refresh();
    retry = setTimeout(listen, RETRY_MS);
  };
  for (const name of ["reset", ...live.split(",")]) events.addEventListener(name, refresh);
}

function hold(is) {
  isHeld = is;
  $("hold").textContent = is ? "Resume updates" : "Pause updates";
  show(is ? "held" : "lost", is ? "Paused" : "Reconnecting…");
  listen();
}

$("hold").addEventListener("click", () => hold(!isHeld));
document.addEventListener("visibilitychange", listen);
addEventListener("pagehide", () => events?.close());
addEventListener("pageshow", (event) => event.persisted && listen());

// ---- What is wrong with a field of a form, beside it ----

// What the API says of options, which the form has under other names.
function spoken(form, detail) {
  return detail.replace(/`(\w+)`/g, (all, name) => form.querySelector(`[name="${name}"][data-words]`)?.dataset.words ?? all);
}

function mend(field) {
  const hint = $(`${field.name}-hint`);
  field.removeAttribute("aria-invalid");
  if (hint) field.setAttribute("aria-describedby", hint.id);
  else field.removeAttribute("aria-describedby");
  $(`${field.name}-error`)?.remove();
}

function blame(field, text) {
  mend(field);
  const fault = document.createElement("p");
  fault.id = `${field.name}-error`;
  fault.className = "fault";
  fault.textContent = text;
  field.after(fault);
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", `${fault.id} ${field.getAttribute("aria-describedby") ?? ""}`.trim());
  field.closest("details")?.setAttribute("open", "");
  field.focus();
}

// What is being mended is no longer called wrong.
document.addEventListener("input", ({ target }) => target.hasAttribute("aria-invalid") && mend(target));

// ---- Asking before something cannot be undone ----

document.addEventListener("submit", (event) => {
  const { confirm: question, yes } = event.target.dataset;
  if (!question) return;
  event.preventDefault();
  const dialog = $("confirm");
  $("confirm-question").textContent = question;
  $("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.onclose = () => dialog.returnValue === "yes" && event.target.submit();
  dialog.showModal();
});

document.addEventListener("click", async ({ target }) => {
  const source = target.dataset?.copy;
  if (!source) return;
  const told = (what) => {
    target.textContent = what;
    target.setAttribute("aria-label", what);
  };
  try {
    await navigator.clipboard.writeText($(source).textContent);
    told("Copied");
  } catch {
    getSelection().selectAllChildren($(source));
    told("Selected");
  }
});

localise(document);
tellStart();
listen();
