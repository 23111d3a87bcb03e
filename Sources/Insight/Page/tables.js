// The search, the sorting of tables, and the start.

// Search

function say(text) { status.textContent = text; }

let lower = null;
function find() {
  words = search.value.trim().toLowerCase();
  if (lower === null) lower = files.name.map((_, file) => filePath(file).toLowerCase());
  const names = data.owners.map((name) => name.toLowerCase());
  const counts = new Array(names.length).fill(0);
  let hits = 0;
  const bytes = [0, 0];
  const matches = new Uint8Array(lower.length);
  for (let file = 0; words !== "" && file < lower.length; file += 1) {
    const owner = files.owner[file];
    if (!lower[file].includes(words) && !names[owner].includes(words)) continue;
    matches[file] = 1;
    counts[owner] += 1;
    hits += 1;
    bytes[PACKED] += files.packed[file];
    bytes[UNPACKED] += files.unpacked[file];
  }
  mark(matches);
  const rows = filterRows(counts);
  draw();
  if (words === "") say(`${plural(files.name.length, "file")}, ${size(root.bytes[measure])}.`);
  else {
    say(`"${words}": ${plural(hits, "file")} ${hits === 1 ? "matches" : "match"} (${size(bytes[measure])}); `
      + `${plural(rows, "row")} of the table of distributions.`);
  }
}

function mark(matches) {
  const visit = (one) => {
    one.sorted = null;
    one.hits = one.kids.length === 0 ? (one.file >= 0 ? matches[one.file] : 0) : 0;
    for (const kid of one.kids) one.hits += visit(kid);
    return one.hits;
  };
  visit(root);
  // A node of smaller ones is gone.
  while (place.up !== null && !place.up.kids.includes(place)) place = place.up;
}

// A row shows if its text matches, or a file of its owner.
function filterRows(counts) {
  let shown = 0;
  for (const row of document.querySelectorAll("#distributions tbody tr")) {
    const hasFiles = counts[Number(row.dataset.owner)] > 0;
    row.hidden = words !== "" && !hasFiles && !row.textContent.toLowerCase().includes(words);
    if (!row.hidden) shown += 1;
  }
  return shown;
}

let timer;
search.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(find, 120);
});

// Tables

function sort(table, header) {
  const headers = [...header.parentElement.children];
  const column = headers.indexOf(header);
  const ascends = header.getAttribute("aria-sort") === "descending"
    || (header.getAttribute("aria-sort") === null && header.classList.contains("text"));
  for (const other of headers) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", ascends ? "ascending" : "descending");
  const value = (row) => {
    const part = row.children[column];
    return part.dataset.value === undefined ? part.textContent.toLowerCase() : Number(part.dataset.value);
  };
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [value(row), row]);
  const sign = ascends ? 1 : -1;
  rows.sort(([a], [b]) => (a < b ? -sign : a > b ? sign : 0));
  body.append(...rows.map(([, row]) => row));
  say(`Sorted by ${header.textContent.trim()}, ${ascends ? "ascending" : "descending"}.`);
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const button of table.querySelectorAll("thead button")) {
    button.addEventListener("click", () => sort(table, button.closest("th")));
  }
}

// Start

build();
draw();
say(`${plural(files.name.length, "file")}, ${size(root.bytes[measure])}.`);
performance.mark("onefold-drawn");

let width = map.clientWidth;
new ResizeObserver(() => {
  if (map.clientWidth === width) return;
  width = map.clientWidth;
  const held = items.findIndex((item) => item.element === document.activeElement);
  draw();
  if (held >= 0) focus(items[held]);
}).observe(map);
