// The form of a new search works without this. With it, what it would take is told while it is filled in.
"use strict";

const PAUSE_MS = 300; // between the last change and the question what it would take

const search = document.getElementById("search-form");
const estimate = document.getElementById("estimate");

// Fields of another choice are not sent.
function choose() {
  for (const fields of search.querySelectorAll("[data-by]")) {
    const { by, for: one, not } = fields.dataset;
    const chosen = document.getElementById(by).value;
    const isIt = one ? chosen === one : chosen !== not;
    for (const field of fields.matches("fieldset") ? [fields] : fields.querySelectorAll("input, select")) field.disabled = !isIt;
  }
  ask();
}

function tell(isWrong, text) {
  estimate.textContent = text;
  estimate.classList.toggle("wrong", isWrong);
  estimate.hidden = !text;
}

function told({ total, rate, seconds, expected_findings: expected }) {
  const many = `${numbers.format(total)} ${total === 1 ? "candidate" : "candidates"}`;
  const how = seconds === null ? "; no drone is here to try them" : `, ${about(seconds)} with the drones that are here (${short.format(rate)}/s)`;
  const chance = expected >= 0.01 ? `. By chance there are about ${short.format(expected)} findings` : "";
  return `${many}${how}${chance}.`;
}

let asked = null;
let timer = 0;

function ask() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    asked?.abort();
    asked = new AbortController();
    const data = new FormData(search);
    // How many digests are sought makes no difference to it, and they may be many.
    if (data.has("targets")) {
      data.delete("targets");
      data.set("targets", "0".repeat(64));
    }
    // With nothing filled in there is nothing to tell.
    const isEmpty = !["mask", "masks", "counter_to"].some((name) => data.getAll(name).some((value) => value.size ?? value));
    if (isEmpty) return tell(false, "");
    try {
      const response = await fetch(search.dataset.api, {
        method: "POST", body: data, headers: { accept: "application/json" }, signal: asked.signal,
      });
      const answer = await response.json();
      tell(!response.ok, response.ok ? told(answer) : spoken(search, answer.detail));
    } catch (error) {
      if (error.name !== "AbortError") tell(false, "");
    }
  }, PAUSE_MS);
}

search.addEventListener("input", ask);
search.addEventListener("change", choose);
document.getElementById("dry-run").hidden = true;
choose();
