// The form that submits strings works without this. With it a file can be dropped on it, what is in it and what it
// would take is told before it is sent, and an upload tells how far it is.
"use strict";

const PREVIEW_MS = 300; // between the last change and the look at what would be sent
const SAMPLE_BYTES = 256 * 1024; // of what would be sent is weighed to say what all of it would take
const LINES_SHOWN = 3;
const LINE_CHARS = 60;

const form = $("submit-form");
let upload = null;
let key = null; // of what the form says now: however often it is sent, it is one task

const bytes = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const mebibytes = (size) => `${bytes.format(size / 2 ** 20)} MiB`;

// A field of another algorithm is not sent.
function chooseAlgorithm() {
  for (const fields of form.querySelectorAll("[data-for]")) {
    fields.disabled = fields.dataset.for !== form.elements.algorithm.value;
  }
  form.elements.iterations.required = true;
}

function fail({ title, detail, path, line }) {
  const said = spoken(form, detail || title || "The task could not be submitted.");
  const text = line && !said.includes(`line ${line}`) ? `Line ${line}: ${said}` : said;
  const field = path && form.elements[path];
  if (field) return blame(field, text);
  $("submit-error").textContent = text;
  $("submit-error").hidden = false;
}

function uploading(is) {
  $("submit-button").disabled = is;
  $("upload-stop").hidden = $("upload").hidden = !is;
  if (!is) upload = null;
}

function submitForm(event) {
  event.preventDefault();
  $("submit-error").hidden = true;
  form.querySelectorAll("[aria-invalid]").forEach(mend);
  if (!form.elements.text.value && !form.elements.file.files.length) {
    fail({ detail: "Type at least one string, or choose a file.", path: "text" });
    return;
  }
  upload = new XMLHttpRequest();
  upload.open("POST", form.dataset.api);
  upload.setRequestHeader("accept", "application/json");
  key ??= [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  upload.setRequestHeader("idempotency-key", key);
  upload.responseType = "json";
  upload.upload.onprogress = ({ loaded, total }) => {
    $("upload-bar").value = loaded / total;
    $("upload-text").textContent = loaded < total ? `${mebibytes(loaded)} of ${mebibytes(total)}` : "nearly there…";
  };
  upload.onload = ({ target: { status, response } }) => {
    uploading(false);
    if (status !== 201 || !response) return fail(response ?? {});
    key = null;
    location.assign(`/admin/tasks/${response.id}`);
  };
  upload.onerror = () => {
    uploading(false);
    fail({ detail: "The connection to the Queen broke. Submit again when she is back: nothing becomes two tasks." });
  };
  upload.onabort = () => uploading(false);
  $("upload-text").textContent = "";
  $("upload-bar").value = 0;
  uploading(true);
  upload.send(new FormData(form));
}

// ---- What would be sent ----

let preview = null; // aborts the one under way
let previewTimer = 0;

// The strings of a stream: how many there are, and the first bytes of them. `told` hears of both now and then.
async function look(stream, signal, told) {
  const seen = { lines: 0, bytes: 0, sample: new Uint8Array(0), isEnded: false };
  let last = 10;
  const reader = stream.getReader();
  for (;;) {
    const { done, value: chunk } = await reader.read();
    if (signal.aborted) return reader.cancel();
    if (done) break;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) seen.lines += 1;
    if (seen.sample.length < SAMPLE_BYTES) {
      const more = chunk.subarray(0, SAMPLE_BYTES - seen.sample.length);
      const sample = new Uint8Array(seen.sample.length + more.length);
      sample.set(seen.sample);
      sample.set(more, seen.sample.length);
      seen.sample = sample;
    }
    seen.bytes += chunk.length;
    last = chunk.at(-1) ?? last;
    told(seen);
  }
  if (last !== 10) seen.lines += 1;
  seen.isEnded = true;
  told(seen);
  return seen;
}

function firstLines({ sample, lines }) {
  const text = new TextDecoder().decode(sample.subarray(0, 4096));
  const shown = text.split("\n").slice(0, LINES_SHOWN).filter((line, at) => line || at < lines);
  const cut = shown.map((line) => (line.length > LINE_CHARS ? `${line.slice(0, LINE_CHARS)}…` : line));
  if (lines > shown.length) cut.push("…");
  return cut.join("\n");
}

// What the fleet needs for it: asked of a part of it, which ends with a whole string.
async function estimate({ sample, lines, isEnded }, signal) {
  const end = sample.length < SAMPLE_BYTES ? sample.length : sample.lastIndexOf(10) + 1;
  if (!end || !isEnded) return "";
  const data = new FormData();
  data.set("dry_run", "1");
  for (const [name, value] of new FormData(form)) if (name !== "text" && name !== "file") data.append(name, value);
  data.append("file", new Blob([sample.subarray(0, end)], { type: "text/plain" }), "sample");
  const response = await fetch(form.dataset.api, {
    method: "POST", body: data, headers: { accept: "application/json" }, signal,
  }).catch(() => null);
  // That the Queen is not reached the page says elsewhere.
  if (!response?.ok) return "";
  const { total, rate, seconds } = await response.json();
  if (seconds === null) return "no drone is here to compute them";
  return `${about((seconds * lines) / total)} with the drones that are here (${short.format(rate)}/s)`;
}

function lookAhead() {
  clearTimeout(previewTimer);
  preview?.abort();
  previewTimer = setTimeout(async () => {
    const { signal } = (preview = new AbortController());
    const [file] = form.elements.file.files;
    const typed = form.elements.text.value;
    const blob = file ?? new Blob([typed]);
    $("preview").hidden = !blob.size;
    if (!blob.size) return;
    const isPacked = /\.gz$/i.test(file?.name ?? "");
    const what = file ? `${file.name}, ${mebibytes(file.size)}: ` : "";
    const tell = (seen, more) => {
      const many = `${numbers.format(seen.lines)} ${seen.lines === 1 ? "string" : "strings"}${seen.isEnded ? "" : " so far"}`;
      $("preview-text").textContent = `${what}${many}${more ? `, ${more}` : ""}`;
      $("preview-lines").textContent = file ? firstLines(seen) : "";
    };
    try {
      const stream = isPacked ? blob.stream().pipeThrough(new DecompressionStream("gzip")) : blob.stream();
      const seen = await look(stream, signal, tell);
      if (!seen) return;
      const more = await estimate(seen, signal);
      if (!signal.aborted) tell(seen, more);
    } catch (error) {
      if (!signal.aborted) $("preview-text").textContent = isPacked ? `${what}it cannot be unpacked` : `${what}it cannot be read`;
    }
  }, PREVIEW_MS);
}

// ---- A file that is dropped ----

function drop(event) {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  const isOver = event.type === "dragover";
  form.classList.toggle("over", isOver);
  if (event.type !== "drop") return;
  form.elements.file.files = event.dataTransfer.files;
  form.elements.file.dispatchEvent(new Event("input", { bubbles: true }));
}

if (form) {
  form.elements.algorithm.addEventListener("change", chooseAlgorithm);
  form.addEventListener("submit", submitForm);
  form.addEventListener("input", () => (key = null));
  form.addEventListener("input", lookAhead);
  for (const name of ["dragover", "dragleave", "drop"]) form.addEventListener(name, drop);
  $("upload-stop").addEventListener("click", () => upload?.abort());
  chooseAlgorithm();
  lookAhead();
}
