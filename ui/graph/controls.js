// Small tools, and the frame around the drawing: buttons, slider, keyboard, dragging, playing.

const SVG = "http://www.w3.org/2000/svg";
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
  if (text) html("span", text.length === 1 ? { "aria-hidden": "true" } : {}, element, text);
  element.onclick = press;
  return element;
}

// Only what is different is written: an edit changes a few texts, and what stays costs no new style or layout.
function put(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const pens = new Map();
function widthOf(text, size) {
  if (!pens.has(size)) {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `600 ${size}px system-ui, sans-serif`;
    pens.set(size, pen);
  }
  return pens.get(size).measureText(text).width;
}

// The frame around the drawing is made once and kept, so that focus and scroll survive every update.
function frame(root) {
  const view = { step: 0, seq: 0, picked: null, zoom: null, timer: null, sending: null, structure: null };
  view.root = root;
  view.stage = html("div", { class: "stage" }, root);
  view.tools = html("div", { class: "zoom", role: "group", "aria-label": "Size of the graph" }, view.stage);
  button(view.tools, "Smaller", null, () => zoom(view, 1 / 1.25), "−");
  button(view.tools, "Larger", null, () => zoom(view, 1.25), "+");
  button(view.tools, "Fit the graph to the width", null, () => zoom(view, "fit"), "Fit");
  button(view.tools, "All: show the whole graph", null, () => zoom(view, "all"), "All");
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
    // The frame's width, not the pane's: a scroll bar that comes with the drawing must not call for another drawing.
    const width = view.stage.clientWidth;
    if (view.data && width && width !== view.width) build(view);
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
    view.tell("at", { step: view.step, seq: view.seq, has: view.data.id });
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
