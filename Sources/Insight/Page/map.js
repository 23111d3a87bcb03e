// The boxes: drawing them, and moving between them by mouse and keys.

let place = root;
let items = [];
let drawn = 0;

function cell(one, box) {
  const element = document.createElement("div");
  const kind = one.kids.length > 0 ? "folder" : kindOf(one);
  element.className = `cell ${kind}${words !== "" && one.hits > 0 ? " hit" : ""}`;
  Object.assign(element.style, {
    left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px`, height: `${box.height}px`,
  });
  if (box.width > 34 && box.height > 17) {
    const label = document.createElement("span");
    label.className = "label";
    label.textContent = box.height > 34 && box.width > 60
      ? `${one.name} ${size(one.bytes[measure])}` : one.name;
    element.append(label);
  }
  drawn += 1;
  return element;
}

// A directory that is too small for boxes has the color of its largest file.
function kindOf(one) {
  while (one.kids.length > 0) {
    const [first] = largest(one);
    if (first === undefined) return KINDS[0];
    one = first;
  }
  return KINDS[Number(files.kind[one.file])];
}

function fill(element, one, box, depth) {
  drawInside(element, one, box, depth);
  if (one.kids.length > 0 && element.querySelector(".cell") === null) element.classList.add(kindOf(one));
}

function drawInside(element, one, box, depth) {
  if (one.kids.length === 0 || depth === 0 || drawn > MOST_BOXES) return;
  const inner = { left: 2, top: 17, width: box.width - 6, height: box.height - 21 };
  if (inner.width * inner.height < SMALLEST * 4 || inner.width < 8 || inner.height < 8) return;
  const kids = largest(one);
  const boxes = layout(kids, inner);
  for (let index = 0; index < boxes.length && drawn <= MOST_BOXES; index += 1) {
    const small = boxes[index];
    if (small.width * small.height < SMALLEST || small.width < 3 || small.height < 3) continue;
    const inside = cell(kids[index], small);
    fill(inside, kids[index], small, depth - 1);
    element.append(inside);
  }
}

function describe(one) {
  const bytes = one.bytes[measure];
  let text = `${one.name}, ${size(bytes)}, ${share(bytes, root.bytes[measure])} of all`;
  if (one.kids.length > 0) text += `, ${plural(one.files, "file")}`;
  if (words !== "") text += `, ${one.hits === 0 ? "no match" : plural(one.hits, "match").replace("matchs", "matches")}`;
  return text;
}

function draw() {
  const box = { left: 0, top: 0, width: map.clientWidth, height: map.clientHeight };
  const kids = largest(place);
  const boxes = layout(kids, box);
  const parts = document.createDocumentFragment();
  drawn = 0;
  items = kids.map((one, index) => {
    const small = boxes[index] || { left: 0, top: 0, width: 0, height: 0 };
    const element = cell(one, small);
    element.setAttribute("role", "treeitem");
    element.setAttribute("aria-level", String(depthOf(one)));
    element.setAttribute("aria-setsize", String(kids.length));
    element.setAttribute("aria-posinset", String(index + 1));
    element.setAttribute("aria-label", describe(one));
    if (one.kids.length > 0) element.setAttribute("aria-expanded", "false");
    element.title = describe(one);
    element.tabIndex = index === 0 ? 0 : -1;
    parts.append(element);
    return { one, element, box: small };
  });
  for (const item of items) {
    fill(item.element, item.one, item.box, MOST_LEVELS);
    for (const inside of item.element.children) inside.setAttribute("aria-hidden", "true");
  }
  map.classList.toggle("searching", words !== "");
  map.replaceChildren(parts);
  drawTrail();
  drawFiles();
}

function depthOf(one) {
  let depth = 0;
  for (let above = one.up; above !== null; above = above.up) depth += 1;
  return depth;
}

function drawTrail() {
  const chain = [];
  for (let one = place; one !== null; one = one.up) chain.unshift(one);
  const list = document.getElementById("trail");
  list.replaceChildren(...chain.map((one) => {
    const entry = document.createElement("li");
    const isLast = one === place;
    const part = document.createElement(isLast ? "span" : "button");
    part.textContent = one.name;
    if (isLast) part.setAttribute("aria-current", "location");
    else {
      part.type = "button";
      part.addEventListener("click", () => zoom(one, chain[chain.indexOf(one) + 1]));
    }
    entry.append(part);
    return entry;
  }));
}

// The largest files at the place, of those that match.
function drawFiles() {
  const found = [];
  const waiting = [place];
  while (waiting.length > 0) {
    const one = waiting.pop();
    if (words !== "" && one.hits === 0) continue;
    if (one.kids.length === 0 && one.file >= 0) found.push(one);
    for (const kid of one.kids) waiting.push(kid);
  }
  const order = (a, b) => b.bytes[measure] - a.bytes[measure] || a.file - b.file;
  const rows = found.sort(order).slice(0, ROWS).map((one) => {
    const row = document.createElement("tr");
    const file = one.file;
    const cells = [
      ["path", filePath(file)], ["", size(files.packed[file])], ["", size(files.unpacked[file])],
      ["text", data.owners[files.owner[file]]],
    ];
    for (const [style, text] of cells) {
      const part = document.createElement("td");
      part.className = style === "path" ? "text path" : style;
      part.textContent = text;
      row.append(part);
    }
    return row;
  });
  document.querySelector("#files tbody").replaceChildren(...rows);
  document.getElementById("files-note").textContent =
    `${plural(rows.length, "file")} of ${count(found.length)} at this place`;
}

// Moving

function focus(item) {
  if (item === undefined) return;
  for (const other of items) other.element.tabIndex = -1;
  item.element.tabIndex = 0;
  item.element.focus();
}

function zoom(one, from) {
  if (one === null || one.kids.length === 0) return;
  place = one;
  draw();
  focus(items.find((item) => item.one === from) || items[0]);
  say(`${one === root ? "All files" : one.name}: ${size(one.bytes[measure])}, ${plural(one.files, "file")}, `
    + `${plural(items.length, "box").replace("boxs", "boxes")}.`);
}

function open(item) {
  if (item.one.kids.length > 0) zoom(item.one);
  else say(`${filePath(item.one.file)}: ${size(files.packed[item.one.file])} in the file, `
    + `${size(files.unpacked[item.one.file])} unpacked.`);
}

function neighbour(item, key) {
  const across = key === "ArrowLeft" || key === "ArrowRight";
  const sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
  const middle = (box) => (across
    ? [box.left + box.width / 2, box.top + box.height / 2]
    : [box.top + box.height / 2, box.left + box.width / 2]);
  const [start, beside] = middle(item.box);
  let best;
  let least = Infinity;
  for (const other of items) {
    const [end, offset] = middle(other.box);
    const distance = (end - start) * sign;
    const cost = distance + 3 * Math.abs(offset - beside);
    if (other !== item && distance > 0.5 && cost < least) {
      least = cost;
      best = other;
    }
  }
  return best;
}

map.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const item = items.find((one) => one.element === document.activeElement);
  const { key } = event;
  if (key === "Backspace" || key === "Escape") {
    if (place.up !== null) zoom(place.up, place);
  } else if (item === undefined) {
    return;
  } else if (key === "Enter" || key === " ") {
    open(item);
  } else if (key.startsWith("Arrow")) {
    focus(neighbour(item, key));
  } else if (key === "Home" || key === "End") {
    focus(items[key === "Home" ? 0 : items.length - 1]);
  } else {
    return;
  }
  event.preventDefault();
});

map.addEventListener("click", (event) => {
  const item = items.find((one) => one.element.contains(event.target));
  if (item === undefined) return;
  focus(item);
  open(item);
});

for (const choice of document.querySelectorAll("input[name=measure]")) {
  choice.addEventListener("change", () => {
    measure = choice.value === "packed" ? PACKED : UNPACKED;
    draw();
    say(`Sizes ${measure === PACKED ? "in the file" : "unpacked"}: ${size(root.bytes[measure])} in all.`);
  });
}
