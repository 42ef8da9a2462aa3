// Charts move on while nothing else on the page does, so that it is read again now and then.
"use strict";

const CHARTS_MS = 5000; // between two readings

setInterval(() => {
  if ("live" in $("main").dataset && document.querySelector(".spark, .chart, .stream")) refresh();
}, CHARTS_MS);
