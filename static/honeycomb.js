// A honeycomb tells what its cells are without this where the pointer rests. With it a line below tells it of the cell
// that is pointed at, tapped or moved to with the arrow keys: with Shift, from one that is leased or suspect to the next.
"use strict";

const CELL = { width: 10, height: 9, middle: [5, 6] }; // as the picture is drawn
const PAGE_ROWS = 5; // that a page key moves by

// The cells of one picture, which is drawn anew as it changes.
function cellsOf(honeycomb) {
  const { cells, columns, total, unit } = honeycomb.dataset;
  const [count, wide] = [Number(cells), Number(columns)];
  const place = (cell) => {
    const row = Math.floor(cell / wide);
    return [CELL.width * (cell % wide) + (CELL.width / 2) * (row % 2), CELL.height * row];
  };
  const edge = (cell) => (BigInt(total) * BigInt(cell)) / BigInt(count);
  // Cells that are alike are one path, which begins with the upper corner of its first cell.
  const firstOf = (path) => {
    const [, x, y] = path.getAttribute("d").match(/^M(\d+) (\d+)/);
    const row = Math.floor(y / CELL.height);
    return wide * row + (x - (CELL.width / 2) * (1 + (row % 2))) / CELL.width;
  };
  const run = (cell) => [...honeycomb.querySelectorAll(".comb path")].findLast((path) => firstOf(path) <= cell);
  const open = () => [...honeycomb.querySelectorAll(".comb :is(.leased, .suspect)")].map(firstOf);
  const words = (cell) => {
    const [first, last] = [edge(cell), edge(cell + 1) - 1n];
    const which = first === last ? `${unit} ${numbers.format(first)}` : `${unit}s ${numbers.format(first)} to ${numbers.format(last)}`;
    return `${which[0].toUpperCase()}${which.slice(1)}: ${run(cell)?.querySelector("title").textContent}`;
  };
  // The one whose middle is nearest.
  const at = ({ clientX, clientY }) => {
    const svg = honeycomb.querySelector(".comb");
    const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(svg.getScreenCTM().inverse());
    const near = Math.round((y - CELL.middle[1]) / CELL.height);
    let [nearest, found] = [CELL.width * CELL.width, null];
    for (let row = Math.max(near - 1, 0); row <= near + 1; row += 1) {
      const column = Math.round((x - CELL.middle[0] - (CELL.width / 2) * (row % 2)) / CELL.width);
      const cell = row * wide + column;
      if (column < 0 || column >= wide || cell >= count) continue;
      const [left, top] = place(cell);
      const distance = (x - left - CELL.middle[0]) ** 2 + (y - top - CELL.middle[1]) ** 2;
      if (distance < nearest) [nearest, found] = [distance, cell];
    }
    return found;
  };
  return { count, wide, place, words, open, at };
}

let told = null; // which cell of which picture the line tells of

function tellCell(honeycomb, cell) {
  const { place, words } = cellsOf(honeycomb);
  const cursor = honeycomb.querySelector(".cursor");
  const [x, y] = place(cell);
  const mark = cursor.querySelector("use");
  mark.setAttribute("x", x);
  mark.setAttribute("y", y);
  const text = words(cell);
  cursor.setAttribute("aria-valuenow", cell + 1);
  cursor.setAttribute("aria-valuetext", text);
  cursor.classList.add("set");
  $("honeycomb-cell").textContent = text;
  told = { honeycomb, cell };
}

function moveCell(event) {
  const honeycomb = event.target.closest?.(".honeycomb");
  if (!honeycomb || event.ctrlKey || event.altKey || event.metaKey) return;
  const { count, wide, open } = cellsOf(honeycomb);
  const cell = Number(event.target.getAttribute("aria-valuenow")) - 1;
  const steps = {
    ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide,
    PageDown: wide * PAGE_ROWS, PageUp: -wide * PAGE_ROWS, Home: -count, End: count,
  };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const next = (is) => (steps[event.key] < 0 ? open().findLast((first) => first < is) : open().find((first) => first > is));
  const to = event.shiftKey ? next(cell) ?? cell : cell + steps[event.key];
  tellCell(honeycomb, Math.min(Math.max(to, 0), count - 1));
}

function pointAtCell(event) {
  const honeycomb = event.target.closest?.(".honeycomb");
  const cell = honeycomb && cellsOf(honeycomb).at(event);
  if (cell !== null && cell !== undefined) tellCell(honeycomb, cell);
}

document.addEventListener("keydown", moveCell);
for (const name of ["pointermove", "click"]) document.addEventListener(name, pointAtCell);
document.addEventListener("focusin", ({ target }) => {
  if (target.matches?.(".honeycomb .cursor")) tellCell(target.closest(".honeycomb"), Number(target.getAttribute("aria-valuenow")) - 1);
});

// What became of the cell that is told of.
new MutationObserver((changes) => {
  const isDrawn = changes.some(({ target }) => target.closest?.(".comb") ?? target.parentElement?.closest(".comb"));
  if (told?.honeycomb.isConnected && isDrawn) tellCell(told.honeycomb, told.cell);
}).observe($("main"), { subtree: true, childList: true, attributes: true, characterData: true });
