// Draws one computation graph and walks it. Python sends the layout (in layers and rows), the texts and the list of steps;
// this file turns them into pixels, shows the state after any step at once, and tells Python which step and node are open.

const SVG = "http://www.w3.org/2000/svg";
const ROW = 65, BODY = 26, SIDE = 16, TOP = 32, BOTTOM = 36, NARROWEST = 94, WIDEST = 240, SMALLEST = 0.62;
const ICONS = {
  first: "M5 5h2v14H5zM20 5v14L9 12z", back: "M16 5v14L6 12z", next: "M8 5v14l10-7z", last: "M17 5h2v14h-2zM4 5v14l11-7z",
  play: "M7 4v16l13-8z", pause: "M6 5h4v14H6zM14 5h4v14h-4z",
};
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function make(tag, attributes = {}, parent = null, text = null) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
}

function html(tag, attributes = {}, parent = null, text = null) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
}

function button(parent, label, icon, press, text = null) {
  const element = html("button", { type: "button", "aria-label": label, title: label }, parent);
  if (icon) {
    const drawing = make("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, element);
    make("path", { d: ICONS[icon] }, drawing);
  }
  if (text) html("span", {}, element, text);
  element.onclick = press;
  return element;
}

const pen = document.createElement("canvas").getContext("2d");
function widthOf(text, size) {
  pen.font = `600 ${size}px system-ui, sans-serif`;
  return pen.measureText(text).width;
}

// The frame around the drawing is made once and kept, so that focus and scroll survive every update.
function frame(root) {
  const view = { step: 0, seq: 0, picked: null, zoom: null, timer: null, sending: null, structure: null };
  view.root = root;
  view.stage = html("div", { class: "stage" }, root);
  view.tools = html("div", { class: "zoom", role: "group", "aria-label": "Size of the graph" }, view.stage);
  button(view.tools, "Smaller", null, () => zoom(view, 1 / 1.25), "−");
  button(view.tools, "Larger", null, () => zoom(view, 1.25), "+");
  button(view.tools, "Fit the graph to the width", null, () => zoom(view, null), "Fit");
  button(view.tools, "Show the whole graph", null, () => zoom(view, 0), "All");
  view.scroll = html("div", { class: "scroll" }, view.stage);
  const bar = html("div", { class: "bar", role: "group", "aria-label": "Steps" }, root);
  const buttons = html("div", { class: "buttons" }, bar);
  view.first = button(buttons, "First step", "first", () => go(view, 0));
  view.back = button(buttons, "One step back", "back", () => go(view, view.step - 1));
  view.next = button(buttons, "One step on", "next", () => go(view, view.step + 1));
  view.last = button(buttons, "Last step", "last", () => go(view, Infinity));
  view.play = button(buttons, "Play", "play", () => play(view));
  const track = html("div", { class: "track" }, bar);
  view.slider = html("input", { type: "range", min: "0", step: "1", "aria-label": "Step" }, track);
  view.slider.oninput = () => go(view, Number(view.slider.value));
  view.phases = html("div", { class: "phases", "aria-hidden": "true" }, track);
  view.count = html("div", { class: "count" }, bar);
  view.say = html("div", { class: "say", "aria-live": "polite" }, bar);
  view.legend = html("ul", { class: "legend" }, root);
  root.addEventListener("keydown", (event) => keys(view, event));
  drag(view);
  view.watch = new ResizeObserver(() => {
    const width = Math.round(view.scroll.clientWidth);
    if (view.data && width && Math.abs(width - (view.width || 0)) > 6) build(view);
  });
  return view;
}

function keys(view, event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const slider = event.target === view.slider;
  const moves = { ArrowRight: 1, ArrowLeft: -1 };
  if (event.key in moves && !slider) go(view, view.step + moves[event.key]);
  else if (event.key === "Home" && !slider) go(view, 0);
  else if (event.key === "End" && !slider) go(view, Infinity);
  else if ((event.key === "+" || event.key === "=") && !slider) zoom(view, 1.25);
  else if (event.key === "-" && !slider) zoom(view, 1 / 1.25);
  else return;
  event.preventDefault();
}

function drag(view) {
  let from = null;
  view.scroll.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0) return;
    from = { x: event.clientX, y: event.clientY, left: view.scroll.scrollLeft, top: view.scroll.scrollTop };
  });
  view.scroll.addEventListener("pointermove", (event) => {
    if (!from) return;
    if (!(event.buttons & 1)) { from = null; view.scroll.classList.remove("grabbing"); return; }
    view.scroll.scrollLeft = from.left - (event.clientX - from.x);
    view.scroll.scrollTop = from.top - (event.clientY - from.y);
    view.scroll.classList.add("grabbing");
  });
  const stop = () => { from = null; view.scroll.classList.remove("grabbing"); };
  view.scroll.addEventListener("pointerup", stop);
  view.scroll.addEventListener("pointerleave", stop);
  view.scroll.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(view, event.deltaY < 0 ? 1.1 : 1 / 1.1);
  }, { passive: false });
}

function zoom(view, factor) {
  const { clientWidth } = view.scroll, whole = Math.min(1, clientWidth / view.wide, tallest() / view.tall);
  if (factor === 0) view.zoom = whole;
  else view.zoom = factor === null ? null : Math.min(2.5, Math.max(Math.min(whole, 0.3), view.scale * factor));
  const before = view.scale, pane = view.scroll;
  const middle = [pane.scrollLeft + pane.clientWidth / 2, pane.scrollTop + pane.clientHeight / 2];
  size(view);
  pane.scrollLeft = (middle[0] * view.scale) / before - pane.clientWidth / 2;
  pane.scrollTop = (middle[1] * view.scale) / before - pane.clientHeight / 2;
}

// The pane is at most this high; a graph that needs more scrolls inside it.
const tallest = () => Math.max(420, Math.min(640, window.innerHeight - 190));

// Scale: as large as the width allows, at most 1; below SMALLEST the drawing scrolls instead of shrinking further.
function size(view) {
  const fit = Math.min(1, view.scroll.clientWidth / view.wide);
  view.scale = view.zoom ?? Math.max(SMALLEST, fit);
  view.svg.setAttribute("width", Math.floor(view.wide * view.scale));
  view.svg.setAttribute("height", Math.floor(view.tall * view.scale));
  view.scroll.style.setProperty("--tallest", `${tallest()}px`);
  const scrolls = view.wide * view.scale > view.scroll.clientWidth + 1 || view.tall * view.scale > view.scroll.clientHeight + 1;
  view.scroll.classList.toggle("grab", scrolls);
}

function go(view, step) {
  if (view.data.bare) return;
  const goal = Math.max(0, Math.min(view.data.steps.length, step));
  if (goal === view.step) return;
  view.step = goal;
  show(view, true);
  clearTimeout(view.sending);
  view.sending = setTimeout(() => {
    view.sending = null;
    view.seq += 1;
    view.tell("at", { step: view.step, seq: view.seq });
  }, 140);
}

function play(view) {
  const running = view.timer !== null;
  clearInterval(view.timer);
  view.timer = null;
  if (!running) {
    if (view.step >= view.data.steps.length) go(view, 0);
    view.timer = setInterval(() => {
      if (view.step >= view.data.steps.length || !view.root.isConnected) return play(view);
      go(view, view.step + 1);
    }, 1100);
  }
  view.play.querySelector("path").setAttribute("d", ICONS[view.timer === null ? "play" : "pause"]);
  const label = view.timer === null ? "Play" : "Pause";
  view.play.setAttribute("aria-label", label);
  view.play.title = label;
}

// ---- geometry -------------------------------------------------------------------------------------------------------

function nodeWidth(node) {
  const name = Math.max(18, widthOf(node.label, node.kind === "constant" ? 12.5 : 14) + 14);
  return node.op ? name + Math.max(22, widthOf(node.op, 12) + 10) : Math.max(34, name);
}

function place(view) {
  const { nodes, layers, rows } = view.data;
  view.width = Math.round(view.scroll.clientWidth);
  view.widths = nodes.map(nodeWidth);
  const outer = [0, 0];
  nodes.forEach((node, index) => {
    if (node.x === 0) outer[0] = Math.max(outer[0], view.widths[index]);
    if (node.x === layers - 1) outer[1] = Math.max(outer[1], view.widths[index]);
  });
  const left = SIDE + Math.max(outer[0], 58) / 2, right = SIDE + Math.max(outer[1], 58) / 2;
  const widest = Math.max(...view.widths);
  const room = layers > 1 ? (view.width - 2 - left - right) / (layers - 1) : 0;
  // Steep edges need room: a tall graph gets wider columns, and scrolls sideways where the page is narrow.
  const least = Math.max(NARROWEST, widest + 44, Math.min(230, rows * 9));
  const column = layers > 1 ? Math.max(least, Math.min(WIDEST, room)) : 0;
  view.wide = left + right + column * (layers - 1);
  view.tall = TOP + BOTTOM + ROW * rows + BODY;
  const at = (x, y) => [left + x * column, TOP + BODY / 2 + y * ROW];
  view.at = nodes.map((node) => at(node.x, node.y));
  view.column = column;
  return at;
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

// Each local derivative goes to the first spot along its edge that covers no node, number or other label.
function placeLabels(view) {
  const taken = [];
  view.data.nodes.forEach((node, index) => {
    const [x, y] = view.at[index];
    const wide = Math.max(view.widths[index], widthOf(node.value, 12.5) + 4, widthOf(node.longest, 12.5) + 4);
    taken.push(box(x, y, wide, BODY + 36));
  });
  view.data.edges.forEach((edge, index) => {
    const line = view.lines[index], length = line.getTotalLength(), wide = widthOf(edge.local, 11.5) + 4;
    let best = null, least = Infinity;
    for (const part of [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82]) {
      const point = line.getPointAtLength(length * part), area = box(point.x, point.y, wide, 14);
      const cost = taken.reduce((sum, other) => sum + overlap(area, other), 0);
      if (cost < least) { least = cost; best = { point, area }; }
      if (cost === 0) break;
    }
    taken.push(best.area);
    view.locals[index].setAttribute("x", best.point.x);
    view.locals[index].setAttribute("y", best.point.y + 4);
  });
}

// ---- drawing --------------------------------------------------------------------------------------------------------

function build(view) {
  const { nodes, edges } = view.data;
  const focused = view.root.getRootNode().activeElement?.dataset?.node;
  const at = place(view);
  view.scroll.replaceChildren();
  view.svg = make("svg", { class: "graph", viewBox: `0 0 ${view.wide} ${view.tall}`, role: "group" }, view.scroll);
  const lines = make("g", { "aria-hidden": "true" }, view.svg);
  view.lines = edges.map((edge) => make("path", { class: "edge", d: curve(view, edge, at) }, lines));
  view.shapes = nodes.map((node, index) => drawNode(view, node, index));
  const labels = make("g", { "aria-hidden": "true" }, view.svg);
  view.locals = edges.map(() => make("text", { class: "local halo" }, labels));
  size(view);
  fill(view);
  if (focused !== undefined) view.shapes[Number(focused)]?.group.focus({ preventScroll: true });
}

function drawNode(view, node, index) {
  const [x, y] = view.at[index], wide = view.widths[index];
  const group = make("g", { class: `node ${node.kind}`, tabindex: "0", role: "button", "data-node": index, "data-name": node.name,
    transform: `translate(${x},${y})` }, view.svg);
  const round = node.op ? BODY / 2 : 5;
  make("rect", { class: "ring", x: -wide / 2 - 4, y: -BODY / 2 - 4, width: wide + 8, height: BODY + 8, rx: round + 4 }, group);
  make("rect", { class: "body", x: -wide / 2, y: -BODY / 2, width: wide, height: BODY, rx: round }, group);
  let middle = 0;
  if (node.op) {
    const part = Math.max(22, widthOf(node.op, 12) + 10);
    const h = BODY / 2 - 1.5, l = -wide / 2 + 1.5;
    make("path", { class: "op", d: `M${l + part},${-h}H${l + h}A${h},${h} 0 0 0 ${l + h},${h}H${l + part}Z` }, group);
    make("text", { class: "glyph", x: -wide / 2 + part / 2 + 2, y: 4.5 }, group, node.op);
    middle = part / 2;
  }
  const name = make("text", { class: node.kind === "constant" ? "name number" : "name", x: middle, y: 4.5 }, group);
  const pieces = /^(.*?[^0-9])([0-9]+)$/.exec(node.label);
  if (node.kind !== "constant" && pieces) {
    name.textContent = pieces[1];
    make("tspan", { class: "sub", dy: 3 }, name, pieces[2]);
  } else name.textContent = node.label;
  const value = make("text", { class: "value halo", y: -BODY / 2 - 6 }, group);
  const gradient = make("text", { class: "gradient halo", y: BODY / 2 + 15 }, group);
  const badge = make("g", { class: "badge", transform: `translate(${wide / 2 - 1},${-BODY / 2 + 1})`, visibility: "hidden" }, group);
  make("circle", { r: 8 }, badge);
  make("text", { y: 4 }, badge, "!");
  const open = () => {
    view.picked = view.picked === index ? null : index;
    show(view, false);
    view.trigger("open", view.picked ?? -1);
  };
  group.addEventListener("click", open);
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    open();
  });
  return { group, value, gradient, badge, hint: make("title", {}, group) };
}

// Texts that depend on the numbers but not on the step.
function fill(view) {
  const { nodes, edges, steps } = view.data;
  view.valueFrom = nodes.map(() => 0);
  view.gradients = nodes.map(() => []);
  steps.forEach((step, index) => {
    if (step.phase === "forward") view.valueFrom[step.node] = index + 1;
    for (const [node, text, exact, sign, partial] of step.sets) view.gradients[node].push({ from: index + 1, text, exact, sign, partial });
  });
  nodes.forEach((node, index) => {
    node.longest = view.gradients[index].reduce((longest, item) => (item.text.length > longest.length ? item.text : longest), "–");
    view.shapes[index].badge.setAttribute("visibility", node.error ? "visible" : "hidden");
  });
  view.locals.forEach((label, index) => {
    label.textContent = edges[index].local;
    label.setAttribute("class", `local halo ${edges[index].sign}`);
  });
  placeLabels(view);
  view.svg.setAttribute("aria-label", view.data.title);
  const forward = steps.filter((step) => step.phase === "forward").length, backward = steps.length - forward;
  view.phases.replaceChildren();
  if (forward) html("span", { style: `flex:${forward}`, class: "ahead" }, view.phases, "forward");
  if (backward) html("span", { style: `flex:${backward}`, class: "back" }, view.phases, "backward");
  view.slider.max = steps.length;
  view.legend.replaceChildren();
  for (const [mark, text, kind] of view.data.legend) {
    const item = html("li", { class: kind }, view.legend);
    html("b", {}, item, mark);
    item.append(` ${text}`);
  }
  show(view, false);
}

function gradientAt(view, index) {
  let found = null;
  for (const item of view.gradients[index]) if (item.from <= view.step) found = item;
  return found;
}

// The state after `view.step` steps: pure in (data, step), so any step can be reached at once, in either direction.
function show(view, moved) {
  const { nodes, edges, steps } = view.data, step = view.step, current = step > 0 && !view.data.bare ? steps[step - 1] : null;
  const touched = new Set(current ? current.sets.map(([node]) => node) : []);
  nodes.forEach((node, index) => {
    const { group, value, gradient, hint } = view.shapes[index];
    const known = view.valueFrom[index] <= step, item = gradientAt(view, index), now = current && current.node === index;
    value.textContent = known ? node.value : "–";
    value.setAttribute("class", `value halo ${known ? "" : "none"} ${moved && now && current.phase === "forward" ? "changed" : ""}`);
    gradient.textContent = node.kind === "constant" ? "" : item ? item.text : "∂ –";
    gradient.setAttribute("class", `gradient halo ${item ? item.sign : "none"} ${moved && touched.has(index) ? "changed" : ""}`);
    group.classList.toggle("now", Boolean(now));
    group.classList.toggle("failed", Boolean(node.error) && known);
    group.classList.toggle("learns", Boolean(node.learns));
    group.classList.toggle("picked", view.picked === index);
    group.setAttribute("aria-pressed", view.picked === index ? "true" : "false");
    const said = `${node.said}; ${known ? `value ${node.exact}` : "value not computed yet"}; `
      + (node.kind === "constant" ? "a constant has no gradient"
        : item ? `gradient ${item.exact}${item.partial ? " so far" : ""}` : "gradient not computed yet");
    group.setAttribute("aria-label", node.error && known ? `${said}. ${node.error}` : said);
    hint.textContent = group.getAttribute("aria-label");
  });
  edges.forEach((edge, index) => {
    const active = current && current.edges.includes(index), seen = view.valueFrom[edge.to] <= step;
    view.lines[index].setAttribute("class", `edge ${seen ? "" : "ahead"} ${active ? "now" : ""} ${active && moved ? `flow ${current.phase}` : ""}`);
    view.locals[index].style.visibility = seen && edge.local ? "visible" : "hidden";
    view.locals[index].classList.toggle("now", Boolean(active));
  });
  view.slider.value = step;
  view.root.classList.toggle("backward", current?.phase === "backward");
  for (const part of view.phases.children) part.classList.toggle("on", part.textContent === current?.phase);
  const words = current ? current.say : view.data.before;
  view.slider.setAttribute("aria-valuetext", `Step ${step} of ${steps.length}: ${words}`);
  view.count.textContent = `step ${step} of ${steps.length}`;
  if (view.say.textContent !== words) view.say.textContent = words;
  view.first.disabled = view.back.disabled = step === 0;
  view.next.disabled = view.last.disabled = step === steps.length;
  if (moved && current) follow(view, current.node);
}

function follow(view, index) {
  const [x, y] = view.at[index].map((value) => value * view.scale), pane = view.scroll, edge = 70;
  const left = x < pane.scrollLeft + edge || x > pane.scrollLeft + pane.clientWidth - edge ? x - pane.clientWidth / 2 : pane.scrollLeft;
  const top = y < pane.scrollTop + edge || y > pane.scrollTop + pane.clientHeight - edge ? y - pane.clientHeight / 2 : pane.scrollTop;
  if (Math.abs(left - pane.scrollLeft) > 1 || Math.abs(top - pane.scrollTop) > 1) pane.scrollTo({ left, top, behavior: still() ? "auto" : "smooth" });
}

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const root = parentElement.querySelector(".lab-graph");
  const view = root.view || (root.view = frame(root));
  view.tell = setStateValue;
  view.trigger = setTriggerValue;
  const fresh = view.structure !== data.structure;
  view.data = data;
  // An answer to an older step than the one on screen must not pull the learner back.
  if (data.seq >= view.seq && view.sending === null) view.step = data.step;
  view.step = Math.max(0, Math.min(data.steps.length, view.step));
  view.seq = Math.max(view.seq, data.seq);
  view.picked = data.picked;
  root.dataset.ready = "true";
  root.classList.toggle("bare", Boolean(data.bare));
  if (fresh) {
    view.structure = data.structure;
    view.zoom = null;
    build(view);
  } else fill(view);
  view.watch.observe(view.scroll);
  return () => {
    view.watch.disconnect();
    clearTimeout(view.sending);
    view.sending = null;
    clearInterval(view.timer);
    view.timer = null;
  };
}
