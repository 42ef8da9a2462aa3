// Keys that act where nothing is typed. What each does stands in the page, as `data-key`: a key, or "g" and another one.
"use strict";

const SEQUENCE_MS = 1500; // until the first key of two is forgotten
const FIRST = "g";
// Where a key leads that the page itself has nothing for; there it acts.
const ELSEWHERE = { "/": "/admin/tasks", n: "/admin" };

let first = -Infinity; // the time of the first key of two
let row = -1; // of the list, the one that was reached last

const keysOff = () => stored("localStorage", "keys") === "off";
const isTyped = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
const rows = () => [...document.querySelectorAll("#main tbody tr")].filter((each) => each.querySelector("th a[href], td a[href]"));

// The row with the focus, or the one that had it last.
function current(all) {
  const at = all.findIndex((each) => each.contains(document.activeElement));
  if (at >= 0) row = at;
  return Math.min(row, all.length - 1);
}

function move(step) {
  const all = rows();
  if (!all.length) return;
  row = Math.max(0, Math.min(current(all) + step, all.length - 1));
  all[row].querySelector("a[href]").focus();
  all[row].scrollIntoView({ block: "nearest" });
}

function select() {
  const all = rows();
  all[current(all)]?.querySelector("input[type=checkbox]")?.click();
}

// Follows a link, presses a button, or begins to type in a field.
function act(key) {
  const target = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (!target) {
    const allowed = document.querySelector(`#keys [data-of="${CSS.escape(key)}"]`);
    if (!allowed || !(key in ELSEWHERE)) return false;
    stored("sessionStorage", "key", key);
    location.assign(ELSEWHERE[key]);
    return true;
  }
  if (target.hidden) return false;
  target.closest("details")?.setAttribute("open", "");
  if (target.matches("input, textarea")) {
    target.focus();
    target.select();
    target.scrollIntoView({ block: "center" });
  } else target.click();
  return true;
}

const moves = { j: () => move(1), k: () => move(-1), x: select, "?": () => $("keys").showModal() };

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.closest("textarea")?.form?.requestSubmit();
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape" && isTyped(event.target)) event.target.blur();
  if (isTyped(event.target) || document.querySelector("dialog[open]") || (keysOff() && event.key !== "?")) return;
  const isSecond = event.timeStamp - first < SEQUENCE_MS;
  first = -Infinity;
  if (isSecond) {
    if (act(`${FIRST} ${event.key}`)) event.preventDefault();
  } else if (event.key === FIRST) {
    first = event.timeStamp;
  } else if (event.key in moves) {
    event.preventDefault();
    moves[event.key]();
  } else if (act(event.key)) {
    event.preventDefault();
  }
});

$("keys-show").addEventListener("click", () => $("keys").showModal());
$("keys-on").checked = !keysOff();
$("keys-on").addEventListener("change", ({ target }) => stored("localStorage", "keys", target.checked ? "on" : "off"));

// A key that led here from another page.
const led = stored("sessionStorage", "key", "");
if (led) act(led);
