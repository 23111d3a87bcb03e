// The data of the page as a tree of bytes, and the layout of its boxes. The scripts of the page are the body of one
// function, in the order tree, map, tables. They request nothing.

const data = JSON.parse(document.getElementById("data").textContent);
const files = data.files;
const folders = data.folders;
const KINDS = ["data", "code", "program"];
const [PACKED, UNPACKED] = [0, 1];
// Smaller boxes are not drawn in detail, and no drawing has more of them.
const SMALLEST = 40;
const MOST_BOXES = 2500;
// Boxes in boxes.
const MOST_LEVELS = 8;
// So many boxes can have the focus. One more stands for all smaller ones.
const MOST_ITEMS = 400;
const ROWS = 20;
const map = document.getElementById("map");
const search = document.getElementById("search");
const status = document.getElementById("status");
let measure = PACKED;
let words = "";

// Text

const count = (number) => number.toLocaleString("en-US");
const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
function size(bytes) {
  const units = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]];
  for (const [factor, unit] of units) {
    if (bytes >= factor) return `${(Math.floor(bytes / factor * 10) / 10).toFixed(1)} ${unit}`;
  }
  return plural(bytes, "byte");
}
const share = (part, all) => (all > 0 ? `${(part / all * 100).toFixed(1)} %` : "0 %");

// The tree: owners, directories, files

function node(name, up) {
  return { name, up, kids: [], bytes: [0, 0], files: 0, file: -1, hits: 0, sorted: null };
}

const root = node("all files", null);
const owners = data.owners.map((name) => {
  const owner = node(name, root);
  root.kids.push(owner);
  return owner;
});

function build() {
  const places = new Map();
  const folderNode = (owner, folder) => {
    if (folder === 0) return owners[owner];
    const key = owner * folders.name.length + folder;
    let place = places.get(key);
    if (place === undefined) {
      const up = folderNode(owner, folders.up[folder]);
      place = node(folders.name[folder], up);
      up.kids.push(place);
      places.set(key, place);
    }
    return place;
  };
  for (let file = 0; file < files.name.length; file += 1) {
    const up = folderNode(files.owner[file], files.folder[file]);
    const leaf = node(files.name[file], up);
    leaf.file = file;
    leaf.files = 1;
    leaf.bytes = [files.packed[file], files.unpacked[file]];
    up.kids.push(leaf);
    for (let above = up; above !== null; above = above.up) {
      above.files += 1;
      above.bytes[PACKED] += leaf.bytes[PACKED];
      above.bytes[UNPACKED] += leaf.bytes[UNPACKED];
    }
  }
  root.kids.forEach(joinSingle);
}

// A directory that holds one entry alone takes its place.
function joinSingle(first) {
  const waiting = [first];
  while (waiting.length > 0) {
    const one = waiting.pop();
    while (one.kids.length === 1) {
      const only = one.kids[0];
      if (one.up !== root) one.name += `/${only.name}`;
      one.kids = only.kids;
      one.file = only.file;
      for (const kid of one.kids) kid.up = one;
    }
    for (const kid of one.kids) if (kid.kids.length > 0) waiting.push(kid);
  }
}

const paths = [];
function folderPath(folder) {
  if (paths[folder] === undefined) {
    paths[folder] = folder === 0 ? "" : `${folderPath(folders.up[folder])}${folders.name[folder]}/`;
  }
  return paths[folder];
}
const filePath = (file) => folderPath(files.folder[file]) + files.name[file];

// The kids with bytes, the largest first. Those that are too many are in one node of their own.
function largest(parent) {
  if (parent.sorted !== null && parent.sorted.measure === measure) return parent.sorted.kids;
  let kids = parent.kids.filter((kid) => kid.bytes[measure] > 0);
  kids.sort((a, b) => b.bytes[measure] - a.bytes[measure] || (a.name < b.name ? -1 : 1));
  if (kids.length > MOST_ITEMS) {
    const rest = node("", parent);
    rest.kids = kids.slice(MOST_ITEMS);
    rest.name = `${count(rest.kids.length)} smaller ones`;
    for (const kid of rest.kids) {
      rest.files += kid.files;
      rest.hits += kid.hits;
      rest.bytes[PACKED] += kid.bytes[PACKED];
      rest.bytes[UNPACKED] += kid.bytes[UNPACKED];
    }
    kids = kids.slice(0, MOST_ITEMS).concat(rest);
  }
  parent.sorted = { measure, kids };
  return kids;
}

// Layout: squarified, after Bruls, Huizing and van Wijk

function layout(kids, box) {
  const boxes = [];
  let { left, top, width, height } = box;
  let bytes = kids.reduce((sum, kid) => sum + kid.bytes[measure], 0);
  let first = 0;
  while (first < kids.length && width > 0 && height > 0) {
    const scale = width * height / bytes;
    const side = Math.min(width, height);
    let area = 0;
    let end = first;
    let worst = Infinity;
    while (end < kids.length) {
      const next = area + kids[end].bytes[measure] * scale;
      const length = next / side;
      const longest = kids[first].bytes[measure] * scale / length;
      const shortest = kids[end].bytes[measure] * scale / length;
      const ratio = Math.max(longest / length, length / shortest, length / longest, shortest / length);
      if (end > first && ratio > worst) break;
      worst = ratio;
      area = next;
      end += 1;
    }
    const length = area / side;
    let offset = 0;
    for (let index = first; index < end; index += 1) {
      const part = kids[index].bytes[measure] * scale / length;
      boxes.push(width >= height
        ? { left, top: top + offset, width: length, height: part }
        : { left: left + offset, top, width: part, height: length });
      offset += part;
      bytes -= kids[index].bytes[measure];
    }
    if (width >= height) { left += length; width -= length; } else { top += length; height -= length; }
    first = end;
  }
  return boxes;
}
