// Where everything goes, in pixels: columns that fit the page, curves, labels that cover nothing, and zooming.

const ROW = 65, BODY = 26, SIDE = 16, TOP = 32, BOTTOM = 36, NARROWEST = 94, WIDEST = 240, SMALLEST = 0.8;
const BARS = 12; // what scroll bars may take
const TOOLS = { wide: 160, tall: 32 }; // the buttons that zoom, and air around them

function nodeWidth(node) {
  const name = Math.max(18, widthOf(node.label, node.kind.startsWith("constant") ? 12.5 : 14) + 14);
  return node.op ? name + Math.max(22, widthOf(node.op, 12) + 10) : Math.max(34, name);
}

function place(view) {
  const { nodes, layers, rows } = view.data;
  view.width = view.stage.clientWidth;
  view.widths = nodes.map(nodeWidth);
  const outer = [0, 0];
  nodes.forEach((node, index) => {
    if (node.x === 0) outer[0] = Math.max(outer[0], view.widths[index]);
    if (node.x === layers - 1) outer[1] = Math.max(outer[1], view.widths[index]);
  });
  const left = SIDE + Math.max(outer[0], 58) / 2, right = SIDE + Math.max(outer[1], 58) / 2;
  const widest = Math.max(...view.widths);
  const room = layers > 1 ? (view.width - BARS - left - right) / (layers - 1) : 0;
  // Between two columns there is room for the local derivative; steep edges need more of it. Where the page is too
  // narrow for that, the drawing shrinks a little and then scrolls.
  const labels = view.data.edges.map((edge) => {
    const span = nodes[edge.to].x - nodes[edge.from].x, ends = (view.widths[edge.from] + view.widths[edge.to]) / 2;
    return (ends + widthOf(edge.local, 11.5) + 14) / span;
  });
  const least = Math.max(NARROWEST, widest + 36, Math.min(230, rows * 9), ...labels);
  const column = layers > 1 ? Math.max(least, Math.min(WIDEST, room)) : 0;
  view.wide = left + right + column * (layers - 1);
  const top = TOP + (underTools(view, left, column) ? TOOLS.tall : 0);
  view.tall = top + BOTTOM + ROW * rows + BODY;
  const at = (x, y) => [left + x * column, top + BODY / 2 + y * ROW];
  view.at = nodes.map((node) => at(node.x, node.y));
  view.column = column;
  return at;
}

// Whether a node of the top row would stand under the buttons in the upper right corner.
function underTools(view, left, column) {
  const margin = Math.max(0, (view.width - BARS - view.wide) / 2);
  return !view.data.bare && view.data.nodes.some((node, index) =>
    node.y < 0.5 && margin + left + node.x * column + view.widths[index] / 2 > view.width - TOOLS.wide);
}

// A curve through the bends, level at every one of them; twins (x·x) bow apart.
function curve(view, edge, at) {
  const [x0, y0] = view.at[edge.from], [x1, y1] = view.at[edge.to];
  const points = [[x0 + view.widths[edge.from] / 2, y0], ...edge.bends.map(([x, y]) => at(x, y)),
    [x1 - view.widths[edge.to] / 2, y1]];
  const bow = edge.twins > 1 ? (edge.twin - (edge.twins - 1) / 2) * 44 : 0;
  let path = `M${points[0][0]},${points[0][1]}`;
  for (let k = 1; k < points.length; k += 1) {
    const [a, b] = points[k - 1], [c, d] = points[k], bend = Math.max(14, (c - a) * 0.42);
    path += `C${a + bend},${b + bow} ${c - bend},${d + bow} ${c},${d}`;
  }
  return path;
}

const box = (x, y, wide, tall) => [x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2];
const overlap = (a, b) => Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));

// Points along the edges are slow to find and stay where they are until the graph is built anew.
function spot(view, index, part) {
  const known = view.spots[index] || (view.spots[index] = { length: view.lines[index].getTotalLength() });
  return known[part] || (known[part] = view.lines[index].getPointAtLength(known.length * part));
}

// Each local derivative goes to the first spot along its edge that covers no node, number or other label.
function placeLabels(view) {
  const taken = [];
  view.data.nodes.forEach((node, index) => {
    const [x, y] = view.at[index];
    const wide = Math.max(view.widths[index], widthOf(node.value, 12.5) + 4, widthOf(node.longest, 12.5) + 4);
    taken.push(box(x, y, wide, BODY + 36));
  });
  view.data.edges.forEach((edge, index) => {
    const wide = widthOf(edge.local, 11.5) + 4;
    let best = null, least = Infinity;
    for (const part of [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82]) {
      const point = spot(view, index, part), area = box(point.x, point.y, wide, 14);
      let cost = 0;
      for (const other of taken) cost += overlap(area, other);
      if (cost < least) { least = cost; best = { point, area }; }
      if (cost === 0) break;
    }
    taken.push(best.area);
    put(view.locals[index], "x", String(best.point.x));
    put(view.locals[index], "y", String(best.point.y + 4));
  });
}

// The pane is at most this high; a graph that needs more scrolls inside it.
const tallest = () => Math.max(420, Math.min(640, window.innerHeight - 190));

// Scale: as large as the width allows, at most 1; below SMALLEST the drawing scrolls instead of shrinking further.
function size(view) {
  const fit = Math.min(1, (view.stage.clientWidth - BARS) / view.wide);
  view.scale = view.zoom ?? Math.max(SMALLEST, fit);
  view.svg.setAttribute("width", Math.floor(view.wide * view.scale));
  view.svg.setAttribute("height", Math.floor(view.tall * view.scale));
  view.svg.classList.toggle("small", view.scale < 0.6);
  view.scroll.style.setProperty("--tallest", `${tallest()}px`);
  const scrolls = view.wide * view.scale > view.scroll.clientWidth + 1 || view.tall * view.scale > view.scroll.clientHeight + 1;
  view.scroll.classList.toggle("grab", scrolls);
}

function zoom(view, factor) {
  const fit = Math.min(1, (view.stage.clientWidth - BARS) / view.wide);
  const whole = Math.min(fit, (tallest() - BARS) / view.tall);
  if (factor === "all") view.zoom = whole;
  else if (factor === "fit") view.zoom = fit;
  else view.zoom = Math.min(2.5, Math.max(Math.min(whole, 0.3), view.scale * factor));
  const before = view.scale, pane = view.scroll;
  const middle = [pane.scrollLeft + pane.clientWidth / 2, pane.scrollTop + pane.clientHeight / 2];
  size(view);
  pane.scrollLeft = (middle[0] * view.scale) / before - pane.clientWidth / 2;
  pane.scrollTop = (middle[1] * view.scale) / before - pane.clientHeight / 2;
}
