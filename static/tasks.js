// The list of tasks works without this. With it, all tasks of a page are selected at once, and how many are is told.
"use strict";

const selected = new Intl.NumberFormat("en");

function tellSelected() {
  const all = document.getElementById("pick-all");
  if (!all) return;
  const boxes = [...document.querySelectorAll("#many input[name=id]")];
  const count = boxes.filter((box) => box.checked).length;
  const page = document.getElementById("pick-page");
  page.checked = count > 0 && count === boxes.length;
  page.indeterminate = count > 0 && count < boxes.length;
  page.disabled = all.checked;
  for (const box of boxes) box.disabled = all.checked;
  // What it would be done to is nothing.
  for (const button of document.querySelectorAll("#many .many button")) button.disabled = !all.checked && !count;
  document.getElementById("picked").textContent = all.checked || !count ? "" : `${selected.format(count)} selected`;
}

document.addEventListener("change", ({ target }) => {
  if (!target.closest("#many")) return;
  if (target.id === "pick-page") {
    for (const box of document.querySelectorAll("#many input[name=id]")) box.checked = target.checked;
  }
  tellSelected();
});

// A browser may fill boxes in again when it comes back to a page.
addEventListener("pageshow", tellSelected);
