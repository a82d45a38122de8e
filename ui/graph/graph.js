// Draws one computation graph and walks it. Python sends the layout (in layers and rows), the texts and the list of steps;
// this file turns them into pixels, shows the state after any step at once, and tells Python which step and node are open.

function build(view) {
  const { nodes, edges } = view.data;
  const focused = view.root.getRootNode().activeElement?.dataset?.node;
  const at = place(view);
  view.scroll.replaceChildren();
  view.svg = make("svg", { class: "graph", viewBox: `0 0 ${view.wide} ${view.tall}`, role: "group" }, view.scroll);
  const lines = make("g", { "aria-hidden": "true" }, view.svg);
  view.lines = edges.map((edge) => make("path", { class: "edge", d: curve(view, edge, at) }, lines));
  view.spots = [];
  view.shapes = nodes.map((node, index) => drawNode(view, node, index));
  const labels = make("g", { "aria-hidden": "true" }, view.svg);
  view.locals = edges.map(() => make("text", { class: "local halo" }, labels));
  size(view);
  fill(view);
  if (focused !== undefined) view.shapes[Number(focused)]?.handle.focus({ preventScroll: true });
}

// x1 with a small 1 below; a tied input has several names.
function writeName(text, label) {
  let below = 0;
  for (const piece of label.split(/( ≡ )/)) {
    const [, stem, digits] = /^(.*?[^0-9])([0-9]+)$/.exec(piece) || [null, piece, ""];
    make("tspan", { dy: -below }, text, stem);
    below = digits ? 3 : 0;
    if (digits) make("tspan", { class: "sub", dy: 3 }, text, digits);
  }
}

function drawNode(view, node, index) {
  const [x, y] = view.at[index], wide = view.widths[index];
  const shell = make("g", { class: `node ${node.kind}`, "data-name": node.name, transform: `translate(${x},${y})` }, view.svg);
  const handle = make("g", { class: "handle", tabindex: "0", role: "button", "data-node": index }, shell);
  const round = node.op ? BODY / 2 : 5;
  const hint = make("title", {}, handle);
  make("rect", { class: "ring", x: -wide / 2 - 4, y: -BODY / 2 - 4, width: wide + 8, height: BODY + 8, rx: round + 4 }, handle);
  make("rect", { class: "body", x: -wide / 2, y: -BODY / 2, width: wide, height: BODY, rx: round }, handle);
  // The label of the button says what these say to the eye.
  const group = make("g", { class: "texts", "aria-hidden": "true" }, shell);
  let middle = 0;
  if (node.op) {
    const part = Math.max(22, widthOf(node.op, 12) + 10);
    const h = BODY / 2 - 1.5, l = -wide / 2 + 1.5;
    make("path", { class: "op", d: `M${l + part},${-h}H${l + h}A${h},${h} 0 0 0 ${l + h},${h}H${l + part}Z` }, handle);
    make("text", { class: "glyph", x: -wide / 2 + part / 2 + 2, y: 4.5 }, group, node.op);
    middle = part / 2;
  }
  const name = make("text", { class: node.kind.startsWith("constant") ? "name number" : "name", x: middle, y: 4.5 }, group);
  if (node.kind.startsWith("constant")) name.textContent = node.label;
  else writeName(name, node.label);
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
  handle.addEventListener("click", open);
  handle.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    open();
  });
  return { shell, handle, value, gradient, badge, hint };
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
    put(view.shapes[index].badge, "visibility", node.error ? "visible" : "hidden");
  });
  view.locals.forEach((label, index) => {
    write(label, edges[index].local);
    put(label, "class", `local halo ${edges[index].sign}`);
  });
  placeLabels(view);
  put(view.svg, "aria-label", view.data.title);
  phases(view);
  legend(view);
  show(view, false);
}

function phases(view) {
  const { steps } = view.data, forward = steps.filter((step) => step.phase === "forward").length;
  const split = `${forward} ${steps.length}`;
  if (view.split === split) return;
  view.split = split;
  view.phases.replaceChildren();
  if (forward) html("span", { style: `flex:${forward}`, class: "ahead" }, view.phases, "forward");
  if (steps.length > forward) html("span", { style: `flex:${steps.length - forward}`, class: "back" }, view.phases, "backward");
  view.slider.max = steps.length;
}

function legend(view) {
  if (view.legend.childElementCount === view.data.legend.length) return; // a mark is there or not; none ever changes
  view.legend.replaceChildren();
  for (const [mark, text, kind] of view.data.legend) {
    const item = html("li", { class: kind }, view.legend);
    html("b", {}, item, mark);
    item.append(` ${text}`);
  }
}

function gradientAt(view, index) {
  let found = null;
  for (const item of view.gradients[index]) if (item.from <= view.step) found = item;
  return found;
}

// The state after `view.step` steps: pure in (data, step), so any step can be reached at once, in either direction.
function show(view, moved) {
  const { steps } = view.data, step = view.step, current = step > 0 && !view.data.bare ? steps[step - 1] : null;
  showNodes(view, current, moved);
  showEdges(view, current, moved);
  view.slider.value = step;
  view.root.classList.toggle("backward", current?.phase === "backward");
  for (const part of view.phases.children) part.classList.toggle("on", part.textContent === current?.phase);
  const words = current ? current.say : view.data.before;
  put(view.slider, "aria-valuetext", `Step ${step} of ${steps.length}: ${words}`);
  write(view.count, `step ${step} of ${steps.length}`);
  write(view.say, words);
  view.first.disabled = view.back.disabled = step === 0;
  view.next.disabled = view.last.disabled = step === steps.length;
  if (moved && current) follow(view, current.node);
}

function showNodes(view, current, moved) {
  const touched = new Set(current ? current.sets.map(([node]) => node) : []);
  view.data.nodes.forEach((node, index) => {
    const { shell, handle, value, gradient, hint } = view.shapes[index], constant = node.kind.startsWith("constant");
    const known = view.valueFrom[index] <= view.step, item = gradientAt(view, index), now = current?.node === index;
    write(value, known ? node.value : "–");
    put(value, "class", `value halo ${known ? "" : "none"} ${moved && now && current.phase === "forward" ? "changed" : ""}`);
    write(gradient, constant ? "" : item ? item.text : "∂ –");
    put(gradient, "class", `gradient halo ${item ? item.sign : "none"} ${moved && touched.has(index) ? "changed" : ""}`);
    shell.classList.toggle("now", now);
    shell.classList.toggle("failed", Boolean(node.error) && known);
    shell.classList.toggle("learns", Boolean(node.learns));
    shell.classList.toggle("picked", view.picked === index);
    put(handle, "aria-pressed", view.picked === index ? "true" : "false");
    const said = `${node.said}; ${known ? `value ${node.exact}` : "value not computed yet"}; `
      + (constant ? "a constant has no gradient"
        : item ? `gradient ${item.exact}${item.partial ? " so far" : ""}` : "gradient not computed yet");
    const label = node.error && known ? `${said}. ${node.error}` : said;
    put(handle, "aria-label", label);
    write(hint, label);
  });
}

function showEdges(view, current, moved) {
  const lit = new Set(current ? current.edges : []);
  view.data.edges.forEach((edge, index) => {
    const active = lit.has(index), seen = view.valueFrom[edge.to] <= view.step;
    put(view.lines[index], "class", `edge ${seen ? "" : "ahead"} ${active ? "now" : ""} ${active && moved ? `flow ${current.phase}` : ""}`);
    const visibility = seen && edge.local ? "visible" : "hidden";
    if (view.locals[index].style.visibility !== visibility) view.locals[index].style.visibility = visibility;
    view.locals[index].classList.toggle("now", active);
  });
}

function follow(view, index) {
  const [x, y] = view.at[index].map((value) => value * view.scale), pane = view.scroll, edge = 70;
  const left = x < pane.scrollLeft + edge || x > pane.scrollLeft + pane.clientWidth - edge ? x - pane.clientWidth / 2 : pane.scrollLeft;
  const top = y < pane.scrollTop + edge || y > pane.scrollTop + pane.clientHeight - edge ? y - pane.clientHeight / 2 : pane.scrollTop;
  if (Math.abs(left - pane.scrollLeft) > 1 || Math.abs(top - pane.scrollTop) > 1) pane.scrollTo({ left, top, behavior: still() ? "auto" : "smooth" });
}

// Pictures as they came. Python leaves out the one that it was told is here, so that a step sends a few bytes.
const pictures = new Map();
function pictureOf(data) {
  if (data.picture) {
    pictures.delete(data.id);
    pictures.set(data.id, data.picture);
    if (pictures.size > 4) pictures.delete(pictures.keys().next().value);
  }
  return pictures.get(data.id);
}

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component;
  const picture = pictureOf(data);
  if (!picture) return void setTriggerValue("lost", true);
  const root = parentElement.querySelector(".lab-graph");
  const view = root.view || (root.view = frame(root));
  view.tell = setStateValue;
  view.trigger = setTriggerValue;
  const fresh = view.structure !== picture.structure;
  view.data = { ...picture, id: data.id, bare: data.bare };
  const before = `${view.shown} ${view.step} ${view.picked}`;
  // An answer to an older step than the one on screen must not pull the learner back.
  if (data.seq >= view.seq && view.sending === null) view.step = data.step;
  view.step = Math.max(0, Math.min(picture.steps.length, view.step));
  view.seq = Math.max(view.seq, data.seq);
  view.picked = data.picked;
  root.dataset.ready = "true";
  root.classList.toggle("bare", Boolean(data.bare));
  if (fresh) {
    view.structure = picture.structure;
    view.zoom = null;
    build(view);
  } else if (view.shown !== data.id) fill(view);
  else if (before !== `${data.id} ${view.step} ${view.picked}`) show(view, false); // else what moves goes on moving
  view.shown = data.id;
  view.watch.observe(view.stage);
  return () => {
    view.watch.disconnect();
    clearTimeout(view.sending);
    view.sending = null;
    clearInterval(view.timer);
    view.timer = null;
  };
}
