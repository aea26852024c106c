// The exercises in the browser: a file for each, kept by the browser, and a worker in which Python judges it.
"use strict";
(() => {
  const at = (id) => document.getElementById(`practice-${id}`);
  const { parts, exercises } = JSON.parse(at("data").textContent);
  const names = Object.keys(exercises);
  const source = at("source"), choice = at("choice"), status = at("status"), report = at("report");
  const here = (path) => new URL(path, location.href.replace(/[?#].*/, "")).href;
  const make = (tag, text = "", cls = "") => Object.assign(document.createElement(tag), { textContent: text, className: cls });
  const worded = (text, cls) => { // what stands between `these` is code
    const made = make("p", "", cls);
    made.append(...text.trim().split(/`([^`]+)`/).map((piece, k) => (k % 2 ? make("code", piece) : piece)));
    return made;
  };
  const button = (text, action) => {
    const made = make("button", text);
    made.type = "button";
    made.addEventListener("click", action);
    return made;
  };

  const say = (text) => { status.textContent = text; };

  // ---- what is kept: "source NAME", "done NAME", "current"; also what another tab keeps
  const PREFIX = "scratchnn-practice ";
  const kept = new Map();
  const keep = (key, value) => {
    if (value === null) kept.delete(key); else kept.set(key, value);
    try {
      if (value === null) localStorage.removeItem(PREFIX + key); else localStorage.setItem(PREFIX + key, value);
    } catch { say("This browser keeps nothing for this page: what you write is lost with it."); }
  };
  try {
    for (const [key, value] of Object.entries(localStorage)) if (key.startsWith(PREFIX)) kept.set(key.slice(PREFIX.length), value);
  } catch { /* a page that may keep nothing */ }
  addEventListener("storage", ({ key, newValue }) => {
    if (!key || !key.startsWith(PREFIX) || key.endsWith("current")) return;
    if (newValue === null) kept.delete(key.slice(PREFIX.length)); else kept.set(key.slice(PREFIX.length), newValue);
    count();
  });
  const sources = () => Object.fromEntries(names.filter((name) => kept.has(`source ${name}`)).map((name) => [name, kept.get(`source ${name}`)]));
  let current = names.includes(kept.get("current")) ? kept.get("current") : names[0];

  // ---- Python, in a worker
  const LIMIT = 6; // Python is slower here than where an exercise's seconds were measured
  let worker = null, ready = null, running = null; // running ends with the report, or with what ended it

  const absent = {
    python: () => `There is no Python beside this page: put the files of a Pyodide distribution, NumPy among them, into the folder ${here("pyodide/")}, and load this page again.`,
    numpy: (why) => `There is no NumPy in the Pyodide distribution beside this page: put its file, which pyodide-lock.json names, into the folder ${here("pyodide/")}, and load this page again. (${why})`,
    wheel: (why) => `The library could not be loaded into Python: build the site again with python -m website. (${why})`,
  };

  const start = () => {
    if (ready) return ready;
    if (location.protocol === "file:") {
      say("Python cannot run in a page that was opened as a file: serve the folder of the site with python -m http.server, and open this page from there.");
      return (ready = Promise.resolve(false));
    }
    say("Python is loading …");
    worker = new Worker(here("_static/practice-worker.js"), { type: "module" });
    ready = new Promise((resolve) => {
      worker.onmessage = ({ data }) => {
        if (data.ready) {
          for (const [name, stub] of Object.entries(data.ready)) exercises[name].stub = stub;
          if (source.disabled) show(current);
          say("Python is ready.");
          resolve(true);
        } else if (data.missing) {
          say(absent[data.missing](data.why));
          resolve(false);
        } else if (running) running(data);
      };
      worker.onerror = () => {
        say(absent.wheel("the worker could not be started"));
        resolve(false);
      };
    });
    worker.postMessage({ load: { distribution: here("pyodide/"), wheel: here("practice/scratchnn.whl") } });
    return ready;
  };
  const end = () => {
    if (worker) worker.terminate();
    worker = ready = null;
  };

  const check = async () => {
    if (running) return;
    running = () => {};
    at("check").setAttribute("aria-disabled", "true");
    const name = current;
    try {
      if (!(await start())) return;
      at("stop").hidden = false;
      const began = performance.now();
      const seconds = () => Math.round((performance.now() - began) / 1000);
      say("Checking …");
      const limit = LIMIT * exercises[name].seconds;
      const ticking = setInterval(() => say(`Checking … ${seconds()} s`), 5000);
      const answer = await new Promise((resolve) => {
        running = resolve;
        setTimeout(() => resolve({ ended: "", after: limit }), 1000 * limit);
        worker.postMessage({ name, sources: sources() });
      });
      clearInterval(ticking);
      if (answer.report) {
        if (answer.report.passed) keep(`done ${name}`, "yes");
        count();
        if (name === current) tell(name, answer.report);
        say(answer.report.passed ? `${name} is right.` : answer.report.written ? `${name} is not right yet.` : `${name} is not written yet.`);
        return;
      }
      end();
      const why = answer.stopped ? "The check was stopped" : answer.after
        ? `The check was ended after ${answer.after} seconds: is there an endless loop?`
        : `Python ended before there was a verdict (${answer.ended}): does the file end it, or crash it?`;
      report.replaceChildren(make("p", why + (answer.stopped ? "." : ""), "head"));
      if (await start()) say("Python was started again.");
    } finally {
      running = null;
      at("stop").hidden = true;
      at("check").removeAttribute("aria-disabled");
    }
  };

  // ---- the report, made of the parts that scratchnn/exercises/telling.py names
  const scrolled = (element, label) => {
    const box = make("div", "", "wide");
    for (const [key, value] of Object.entries({ tabindex: 0, role: "region", "aria-label": label })) box.setAttribute(key, value);
    box.append(element);
    return box;
  };
  const table = (rows) => {
    const headed = rows[0][0] === "", made = make("table", "", headed ? "headed" : "");
    for (const [k, row] of rows.entries()) {
      const line = made.insertRow();
      for (const cell of row) {
        const text = cell.trim();
        if (headed && k === 0 && text) {
          line.append(Object.assign(make("th", text), { scope: "col" }));
        } else line.append(make("td", text, text === "WRONG" ? "wrong" : ""));
      }
    }
    return scrolled(made, "What was compared");
  };
  const shown = {
    table,
    block: (text) => scrolled(make("pre", text.replace(/\n$/, "")), "Lines"),
    legend: (text) => make("p", text.trim(), "legend"),
  };
  const plain = ["title", "fact", "text"]; // the others say how it went
  const tell = (name, { passed, labels, parts: said, certificate }) => {
    report.replaceChildren(
      ...said.map(([kind, content]) => (shown[kind] ? shown[kind](content) : worded(content, plain.includes(kind) ? kind : `head ${kind}`)))
    );
    const line = said.map(([, content]) => /\bline (\d+)/.exec(content)).find(Boolean);
    number(line ? Number(line[1]) : 0);
    const more = make("p");
    if (line) more.append(button(`Go to line ${line[1]}`, () => go(Number(line[1]))), " ");
    const fold = at("task").querySelector("#hints details:last-of-type");
    if (passed && fold)
      more.append(button("Compare with the derivation and a solution", () => {
        fold.open = true;
        fold.querySelector("summary").focus();
      }), " ");
    if (certificate) {
      const link = make("a", "Your certificate");
      link.href = URL.createObjectURL(new Blob([certificate], { type: "text/html" }));
      link.download = exercises[name].file.replace(".py", ".html");
      more.append(link);
    }
    if (more.childNodes.length) report.append(more);
    if (labels.length) {
      const note = make("p", "What the check recognised, by ", "labels"), link = make("a", "its name");
      link.href = here("diagnosis.html");
      note.append(link, ": ", ...labels.flatMap((label, k) => [k ? ", " : "", make("code", label)]));
      report.append(note);
    }
  };

  // ---- the file
  const lines = () => source.value.split("\n");
  const number = (marked = 0) => {
    source.rows = lines().length + 1;
    at("numbers").replaceChildren(...lines().flatMap((_, k) => [make(k + 1 === marked ? "b" : "span", String(k + 1)), "\n"]));
  };
  const go = (line) => {
    const before = lines().slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    source.focus();
    source.setSelectionRange(before, before + lines()[line - 1].length);
  };
  const replace = (from, to, text) => {
    source.setSelectionRange(from, to);
    // what undo knows of; setRangeText is for browsers without it
    if (!document.execCommand("insertText", false, text)) source.setRangeText(text, from, to, "end");
  };
  const indent = (back) => {
    const from = source.value.lastIndexOf("\n", source.selectionStart - 1) + 1, to = source.selectionEnd;
    if (!back && source.selectionStart === to) return replace(to, to, " ".repeat(4 - ((to - from) % 4)));
    const moved = source.value.slice(from, to).replace(/^/gm, back ? "" : "    ");
    const text = back ? moved.replace(/^ {1,4}/gm, "") : moved;
    const caret = source.selectionStart === to ? Math.max(from, to - (moved.length - text.length)) : null;
    if (text !== source.value.slice(from, to)) replace(from, to, text);
    if (caret === null) source.setSelectionRange(from, from + text.length);
    else source.setSelectionRange(caret, caret);
  };
  let leaving = false; // after Escape, the Tab key leaves
  source.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { leaving = true; return; }
    if (event.key === "Tab" && !leaving) {
      event.preventDefault();
      indent(event.shiftKey);
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      check();
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      const line = source.value.slice(0, source.selectionStart).split("\n").at(-1);
      replace(source.selectionStart, source.selectionEnd, "\n" + /^ */.exec(line)[0] + (/:\s*$/.test(line) ? "    " : ""));
    }
    if (!["Tab", "Shift", "Control", "Alt", "Meta"].includes(event.key)) leaving = false;
  });
  source.addEventListener("blur", () => { leaving = false; });
  source.addEventListener("focus", start);
  source.addEventListener("input", () => {
    keep(`source ${current}`, source.value === exercises[current].stub ? null : source.value);
    number();
  });

  // ---- the task, as the exercise's own page has it
  const heading = (name) => make("h2", `${exercises[name].number}. ${name.replaceAll("_", " ")}: ${exercises[name].title}`);
  const task = async (name) => {
    const address = here(`exercises/${exercises[name].page}`);
    const link = make("a", "The task on a page of its own");
    link.href = address;
    at("task").replaceChildren(heading(name), make("p", "The task stands at the top of your file."), link);
    if (location.protocol === "file:") return;
    const page = new DOMParser().parseFromString(await (await fetch(address)).text(), "text/html");
    if (name !== current) return;
    const text = page.querySelector("article section");
    for (const left of text.querySelectorAll("h1, #your-file, .notation, .to-code, .headerlink")) left.remove();
    for (const each of text.querySelectorAll("[href]")) each.href = new URL(each.getAttribute("href"), address).href;
    at("task").replaceChildren(heading(name), ...text.childNodes, link);
  };

  // ---- which exercise
  const count = () => {
    const done = names.filter((name) => kept.has(`done ${name}`)).length;
    at("count").textContent = `${done} of ${names.length} done`;
    for (const option of choice.options) option.textContent = (kept.has(`done ${option.value}`) ? "✓ " : "") + option.dataset.text;
  };
  const show = (name) => {
    current = choice.value = name;
    const { stub, file } = exercises[name];
    const text = kept.get(`source ${name}`) ?? stub;
    source.disabled = text === null;
    source.value = text ?? "# Another one every day: it appears as soon as Python has been loaded.";
    at("file").textContent = file;
    report.replaceChildren();
    number();
    keep("current", name);
    if (text === null) start();
  };
  const choose = (name) => {
    show(name);
    if (!source.disabled && worker === null) say("");
    task(name).catch(() => {});
    history.replaceState(null, "", `?${name}`);
  };
  const beside = (step) => choose(names[(names.indexOf(current) + step + names.length) % names.length]);

  for (const [part, members] of Object.entries(parts)) {
    const group = make("optgroup");
    group.label = part;
    for (const name of members) {
      const option = make("option");
      option.value = name;
      option.dataset.text = `${name.replaceAll("_", " ")}: ${exercises[name].title}`;
      group.append(option);
    }
    choice.append(group);
  }
  choice.addEventListener("change", () => choose(choice.value));
  at("before").addEventListener("click", () => beside(-1));
  at("next").addEventListener("click", () => beside(1));
  at("check").addEventListener("click", check);
  at("stop").addEventListener("click", () => running && running({ stopped: true }));
  at("reset").addEventListener("click", () => {
    if (kept.has(`source ${current}`) && !confirm("Bring back the file as it was given? Yours is lost.")) return;
    keep(`source ${current}`, null);
    keep(`done ${current}`, null);
    count();
    show(current);
  });
  document.getElementById("practice").hidden = false;
  count();
  const asked = location.search.slice(1);
  choose(names.includes(asked) ? asked : current);
})();
