"use strict";

// What is seen and what answers: a panel for each model, with a map, the image of the point, and sliders; and below the
// panels what they share, the walk from A to B.
//
// A point has coordinates c, one for every direction that the page can move in; the first two span the map. They stand
// for the latent point z = centre + Σ_k c_k direction_k. Whatever moves the point, a finger, a key, a slider or the walk,
// calls `moveTo`, and that alone decodes and draws.

const TOLERANCE = 1e-6; // of what Python computed, which is stored in single precision
const CLASSES = 10; // colours in explorer.css
const NEIGHBOURS = 15; // test images that are asked for their class
const page = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const signed = (x) => (Math.abs(x) < 0.005 ? "0.00" : x.toFixed(2).replace("-", "−"));
// A bound in so many digits: rounded up, or it is none.
const atMost = (x, digits) => {
  if (!(x > 0)) return String(x);
  const unit = 10 ** (Math.floor(Math.log10(x)) - digits + 1);
  return (Math.ceil(x / unit) * unit).toPrecision(digits);
};
const subscript = (k) => String(k).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

class Panel {
  constructor(model, number) {
    this.model = model;
    this.number = number;
    this.decoder = unpacked(model);
    const off = difference(this.decoder, model.fixture);
    if (!(off <= TOLERANCE)) {
      throw new Error(`its images differ from those that Python computed by ${off} of the range from black to white`);
    }
    this.codes = numbers(model.points.codes, 32); // (N, n_z), row by row
    this.labels = model.points.labels && Uint8Array.from(atob(model.points.labels), (letter) => letter.charCodeAt(0));
    this.n_z = model.view.centre.length;
    this.n = this.codes.length / this.n_z;
    const { directions, reach } = model.view;
    this.places = Array.from({ length: this.n }, (_, k) => this.coordinates(this.code(k)));
    this.c = new Float64Array(directions.length);
    this.ends = { A: this.places[0], B: this.places[this.another()] };
    this.reach = reach;
    this.tiles = document.createElement("canvas");
    this.still = document.createElement("canvas"); // what stays where it is while the point moves
    this.build();
  }

  // ---- latent points

  code(k) {
    return this.codes.subarray(k * this.n_z, (k + 1) * this.n_z);
  }

  coordinates(z) {
    const { centre, directions } = this.model.view;
    return Float64Array.from(directions, (direction) =>
      direction.reduce((sum, d_i, i) => sum + d_i * (z[i] - centre[i]), 0),
    );
  }

  latent(c) {
    const { centre, directions } = this.model.view;
    return Float64Array.from(centre, (centre_i, i) => centre_i + c.reduce((sum, c_k, k) => sum + c_k * directions[k][i], 0));
  }

  // A test image of another class than the first, for the other end of the walk.
  another() {
    const other = this.labels ? this.labels.findIndex((label) => label !== this.labels[0]) : -1;
    return other > 0 ? other : this.n - 1;
  }

  className(label) {
    return this.model.class_names[label] ?? String(label);
  }

  // What most of the nearest test images are, in words: for whoever does not see the image, and for whoever does.
  lookalike(c) {
    if (!this.labels) return "";
    const z = this.latent(c);
    const distances = Float64Array.from({ length: this.n }, (_, k) =>
      this.code(k).reduce((sum, z_i, i) => sum + (z_i - z[i]) ** 2, 0),
    );
    const order = Array.from(distances.keys()).sort((a, b) => distances[a] - distances[b]);
    const nearest = order.slice(0, NEIGHBOURS);
    const counts = new Map();
    for (const k of nearest) counts.set(this.labels[k], (counts.get(this.labels[k]) ?? 0) + 1);
    const [label, count] = [...counts].sort((a, b) => b[1] - a[1])[0];
    return `of the ${nearest.length} nearest test images, ${count} are of class ${this.className(label)}`;
  }

  // ---- what it is made of

  build() {
    const { model, number } = this;
    const names = model.view.reach.map((_, k) =>
      this.n_z === 2 ? `z${subscript(k + 1)}` : `direction ${k + 1}`,
    );
    this.map = element("canvas", { class: "map", tabindex: "0", role: "application", id: `map-${number}` });
    this.map.setAttribute("aria-label", `Map of the latent space of ${model.name}: arrow keys move the point`);
    this.map.setAttribute("aria-describedby", `status-${number}`);
    const [height, width] = model.image_shape;
    this.picture = element("canvas", { class: "picture", role: "img", width, height, id: `picture-${number}` });
    this.status = element("p", { class: "status", role: "status", id: `status-${number}` });
    this.exact = element("p", { class: "exact", id: `exact-${number}` });
    this.sliders = names.map((name, k) => {
      const reach = model.view.reach[k];
      const input = element("input", { type: "range", min: -reach, max: reach, step: reach / 200, value: 0 });
      const output = element("output");
      const share = this.n_z > 2 ? ` (${(100 * model.view.share[k]).toFixed(0)} % of the variance)` : "";
      input.setAttribute("aria-label", `${name}${share}, ${model.name}`);
      input.addEventListener("input", () => {
        const c = this.c.slice();
        c[k] = Number(input.value);
        stopWalk();
        this.moveTo(c);
      });
      return { input, output, row: element("label", { class: "slider" }, `${name}${share} `, input, output) };
    });
    const hidden = this.n_z - names.length;
    const note = element("p", { class: "note" });
    if (this.n_z > 2) {
      note.textContent =
        `z has ${this.n_z} dimensions. The directions are those in which the test images' means vary most (their ` +
        `principal components); the first two span the map` +
        (hidden > 0 ? `, and in the ${hidden} that are left z stays at the mean.` : ".");
    }
    const title = element("h2", { id: `title-${number}` }, model.name);
    const words = element("div", {}, this.status, this.exact);
    const controls = element("div", { class: "controls" }, ...this.sliders.map((slider) => slider.row), note);
    const side = element("div", { class: "side" }, this.picture, words, controls);
    const both = element("div", { class: "both" }, this.map, side);
    byId("panels").append(element("section", { class: "panel", "aria-labelledby": `title-${number}` }, title, both));

    this.map.addEventListener("pointerdown", (event) => {
      this.map.setPointerCapture(event.pointerId);
      this.dragged(event);
    });
    this.map.addEventListener("pointermove", (event) => {
      if (this.map.hasPointerCapture(event.pointerId)) this.dragged(event);
    });
    this.map.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resized()).observe(this.map);
  }

  dragged(event) {
    const box = this.map.getBoundingClientRect();
    const c = this.c.slice();
    c[0] = (2 * (event.clientX - box.left) / box.width - 1) * this.reach[0];
    c[1] = (1 - 2 * (event.clientY - box.top) / box.height) * this.reach[1];
    stopWalk();
    this.moveTo(c);
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const step = (this.reach[0] / 100) * (event.shiftKey ? 10 : 1);
    const c = this.c.slice();
    const moves = {
      ArrowLeft: () => (c[0] -= step),
      ArrowRight: () => (c[0] += step),
      ArrowDown: () => (c[1] -= step),
      ArrowUp: () => (c[1] += step),
      Home: () => c.fill(0),
    };
    if (event.key in moves) {
      moves[event.key]();
      stopWalk();
      this.moveTo(c);
    } else if (/^[ab]$/i.test(event.key)) {
      setEnd(event.key.toUpperCase());
    } else {
      return;
    }
    event.preventDefault(); // an arrow would scroll the page
  }

  // ---- moving

  // To coordinates c, or as far as the map and the sliders go.
  moveTo(c) {
    const others = this.c.subarray(2).some((c_k, k) => c_k !== c[k + 2]);
    this.c = c.map((c_k, k) => Math.min(Math.max(c_k, -this.reach[k]), this.reach[k]));
    const { pixels, bound } = decode(this.decoder, this.latent(this.c));
    this.bound = bound;
    this.draw(this.picture, pixels);
    this.sliders.forEach(({ input, output }, k) => {
      input.value = this.c[k];
      output.textContent = signed(this.shown(k));
    });
    this.exact.textContent = `pixels within ${atMost(bound, 1)} of the model's`;
    if (others) this.soon("tiling", () => this.drawTiles(), 150);
    this.soon("telling", () => this.tell(), 200);
    this.drawMap();
  }

  // Coordinate k as it is written: z itself where it has two, or else how far along a direction, from the centre.
  shown(k) {
    return this.n_z === 2 ? this.latent(this.c)[k] : this.c[k];
  }

  // Once nothing has asked for it again for some milliseconds.
  soon(what, action, milliseconds) {
    clearTimeout(this[what]);
    this[what] = setTimeout(action, milliseconds);
  }

  tell() {
    const where = this.n_z === 2 ? "z" : "directions 1 and 2";
    const place = `${where} = (${signed(this.shown(0))}, ${signed(this.shown(1))})`;
    const like = this.lookalike(this.c);
    this.status.textContent = like ? `${place}; ${like}` : place;
    this.picture.setAttribute("aria-label", `The decoded image, ${this.status.textContent}`);
  }

  // ---- drawing

  // An image, black to white, into a canvas of its size.
  draw(canvas, pixels) {
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    pixels.forEach((pixel, k) => {
      const grey = 255 * pixel; // the array rounds, and takes what lies outside for its ends
      image.data.set([grey, grey, grey, 255], 4 * k);
    });
    context.putImageData(image, 0, 0);
  }

  // The decoded images under the map: what white is in an image is ink here, at the other coordinates that are chosen.
  // They are computed some at a time, so that the page goes on answering.
  drawTiles() {
    const [height, width] = this.model.image_shape;
    const side = page.tiles;
    const sheet = document.createElement("canvas");
    sheet.width = side * width;
    sheet.height = side * height;
    const context = sheet.getContext("2d");
    const ink = colour("--ink-rgb").split(" ").map(Number);
    const c = this.c.slice();
    const at = (k) => 2 * k / (side - 1) - 1;
    let done = 0;
    const some = () => {
      const began = performance.now();
      while (done < side * side && performance.now() - began < 12) {
        const [row, column] = [Math.floor(done / side), done % side];
        c[0] = at(column) * this.reach[0];
        c[1] = -at(row) * this.reach[1];
        const image = context.createImageData(width, height);
        decode(this.decoder, this.latent(c)).pixels.forEach((pixel, k) => image.data.set([...ink, 255 * pixel], 4 * k));
        context.putImageData(image, column * width, row * height);
        done++;
      }
      if (done < side * side) {
        this.tiling = setTimeout(some);
      } else {
        this.tiles = sheet;
        this.drawStill();
      }
    };
    some();
  }

  resized() {
    const size = Math.round(this.map.clientWidth * devicePixelRatio);
    if (!size || size === this.map.width) return;
    for (const canvas of [this.map, this.still]) canvas.width = canvas.height = size;
    this.drawStill();
  }

  // From coordinates to pixels of the map. The outer images are centred on its edges, so there is half of one to spare.
  place(c) {
    const size = this.map.width;
    return [(c[0] / this.reach[0] + 1) * size / 2, (1 - c[1] / this.reach[1]) * size / 2];
  }

  drawStill() {
    const context = this.still.getContext("2d");
    const size = this.still.width;
    const dot = devicePixelRatio * Math.max(1.6, Math.min(2.6, this.map.clientWidth / 220));
    context.clearRect(0, 0, size, size);
    if (byId("show-tiles").checked && this.tiles.width) {
      const margin = size / (page.tiles - 1) / 2;
      context.globalAlpha = byId("show-points").checked ? 0.3 : 0.8;
      context.drawImage(this.tiles, -margin, -margin, size + 2 * margin, size + 2 * margin);
      context.globalAlpha = 1;
    }
    if (byId("show-points").checked) {
      const colours = Array.from({ length: CLASSES }, (_, k) => colour(`--class-${k}`));
      context.strokeStyle = colour("--edge");
      context.lineWidth = devicePixelRatio / 2;
      this.places.forEach((c, k) => {
        context.fillStyle = this.labels
          ? colours[this.labels[k] % CLASSES]
          : `hsl(${215 - (170 * k) / this.n} 70% 50%)`; // a video: by time
        context.beginPath();
        context.arc(...this.place(c), dot, 0, 2 * Math.PI);
        context.fill();
        context.stroke();
      });
      if (this.labels) this.nameClouds(context);
    }
    this.drawMap();
  }

  // Each class's name where the middle of its points is, so that no colour has to be told from another.
  nameClouds(context) {
    context.font = `600 ${Math.round(13 * devicePixelRatio)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = 4 * devicePixelRatio;
    for (const label of new Set(this.labels)) {
      const own = this.places.filter((_, k) => this.labels[k] === label);
      const middle = [0, 1].map((axis) => own.map((c) => c[axis]).sort((a, b) => a - b)[own.length >> 1]);
      context.strokeStyle = colour("--paper");
      context.fillStyle = colour("--ink");
      context.strokeText(this.className(label), ...this.place(middle));
      context.fillText(this.className(label), ...this.place(middle));
    }
  }

  // What moves, over what stays.
  drawMap() {
    const context = this.map.getContext("2d");
    const size = this.map.width;
    const pixel = devicePixelRatio;
    context.clearRect(0, 0, size, size);
    if (!this.still.width) return;
    context.drawImage(this.still, 0, 0);
    const [a, b, here] = [this.ends.A, this.ends.B, this.c].map((c) => this.place(c));
    const line = (from, to, style, width) => {
      context.strokeStyle = colour(style);
      context.lineWidth = width * pixel;
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    };
    line([here[0], 0], [here[0], size], "--muted", 1);
    line([0, here[1]], [size, here[1]], "--muted", 1);
    context.setLineDash([6 * pixel, 4 * pixel]);
    line(a, b, "--ink", 1.5);
    context.setLineDash([]);
    context.font = `700 ${Math.round(12 * pixel)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [name, place] of [["A", a], ["B", b]]) {
      context.fillStyle = colour("--ink");
      context.beginPath();
      context.arc(...place, 9 * pixel, 0, 2 * Math.PI);
      context.fill();
      context.fillStyle = colour("--paper");
      context.fillText(name, ...place);
    }
    for (const [style, width] of [["--paper", 5], ["--accent", 3]]) {
      context.strokeStyle = colour(style);
      context.lineWidth = width * pixel;
      context.beginPath();
      context.arc(...here, 12 * pixel, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}

// ---- what the panels share

let panels = [];
let walking = null; // the number of the frame that is asked for
const everywhere = (action) => panels.forEach(action);

function setEnd(name) {
  everywhere((panel) => {
    panel.ends[name] = panel.c.slice();
    panel.drawMap();
  });
}

function walkTo(t) {
  byId("way").value = t;
  byId("way-value").textContent = `${Math.round(100 * t)} %`;
  everywhere((panel) => panel.moveTo(panel.c.map((_, k) => (1 - t) * panel.ends.A[k] + t * panel.ends.B[k])));
}

function stopWalk() {
  cancelAnimationFrame(walking);
  walking = null;
  byId("play").setAttribute("aria-pressed", "false");
  byId("play").textContent = "Walk";
}

// From where the slider is to B, and back to A: four seconds each way, until it is stopped.
function startWalk() {
  let began = null;
  const from = Number(byId("way").value);
  const frame = (now) => {
    began ??= now - 4000 * from;
    const phase = ((now - began) / 4000) % 2;
    walking = requestAnimationFrame(frame);
    walkTo(phase < 1 ? phase : 2 - phase);
  };
  byId("play").setAttribute("aria-pressed", "true");
  byId("play").textContent = "Stop";
  walking = requestAnimationFrame(frame);
}

function showLegend() {
  const shown = new Map();
  for (const panel of panels) {
    for (const label of new Set(panel.labels ?? [])) shown.set(panel.className(label), label % CLASSES);
  }
  const sorted = [...shown].sort((a, b) => a[1] - b[1]);
  byId("legend").append(
    ...sorted.map(([name, k]) => element("li", {}, element("span", { class: `dot class-${k}`, "aria-hidden": "true" }), name)),
  );
  if (!sorted.length) byId("legend").append(element("li", {}, "no classes: coloured by their order, from blue to orange"));
}

function start() {
  panels = page.models.map((model, number) => new Panel(model, number));
  byId("main").hidden = false;
  document.body.classList.toggle("two", panels.length > 1);
  everywhere((panel) => {
    panel.moveTo(panel.ends.A.slice());
    performance.mark("first picture");
    panel.drawTiles();
    const { measured, bound, n } = panel.model.error;
    byId("exact").append(
      element("li", {}, `${panel.model.name}: weights of ${panel.model.bits} bits. For ${n} latent points Python has ` +
        `measured a largest error of ${measured.toPrecision(2)}; the largest bound there is ${atMost(bound, 2)}.`),
    );
  });
  showLegend();
  byId("image").max = Math.min(...panels.map((panel) => panel.n)) - 1;
  byId("set-a").addEventListener("click", () => setEnd("A"));
  byId("set-b").addEventListener("click", () => setEnd("B"));
  byId("way").addEventListener("input", (event) => {
    stopWalk();
    walkTo(Number(event.target.value));
  });
  byId("play").addEventListener("click", () => (walking === null ? startWalk() : stopWalk()));
  byId("image").addEventListener("input", (event) => {
    if (event.target.value.trim() === "") return; // 0 for Number
    const k = Math.round(Number(event.target.value));
    stopWalk();
    everywhere((panel) => k >= 0 && k < panel.n && panel.moveTo(panel.places[k].slice()));
  });
  for (const id of ["show-points", "show-tiles"]) {
    byId(id).addEventListener("change", () => everywhere((panel) => panel.drawStill()));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => everywhere((panel) => panel.drawTiles()));
}

try {
  start();
} catch (error) {
  byId("main").hidden = true;
  byId("trouble").hidden = false;
  byId("trouble").textContent = `This page cannot be trusted, so it shows nothing: ${error.message}. Write it again with scratchnn explore.`;
}
