// What belongs together lights up together, and formulas change their notation. Without it the pages can be read too.
"use strict";
(() => {
  const root = document.documentElement;

  // ---- the notation: what the code calls things, or what the papers do
  const KEY = "scratchnn-notation";
  const remembered = () => {
    try { return localStorage.getItem(KEY); } catch { return null; }
  };
  const choose = (notation) => {
    root.dataset.notation = notation;
    for (const button of document.querySelectorAll(".notation button"))
      button.setAttribute("aria-pressed", String(button.dataset.notation === notation));
    try { localStorage.setItem(KEY, notation); } catch { /* a page that may keep nothing */ }
  };
  const TEXTS = document.documentElement.lang.startsWith("es")
    ? { label: "Notación de las fórmulas", code: "la del código", papers: "la de los artículos" }
    : { label: "Notation of the formulas", code: "the code's", papers: "the papers'" };
  for (const place of document.querySelectorAll(".notation")) {
    if (!document.querySelector(".formula")) break;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", TEXTS.label);
    place.append(TEXTS.label + ": ");
    for (const notation of ["code", "papers"]) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.notation = notation;
      button.textContent = TEXTS[notation];
      button.addEventListener("click", () => choose(notation));
      place.append(button);
    }
  }
  choose(remembered() === "papers" ? "papers" : "code");

  // ---- a formula and its lines
  const lines = (formula) =>
    (formula.dataset.lines || "").split(" ").filter(Boolean).map((n) => document.getElementById("L" + n)).filter(Boolean);
  const formulas = (line) =>
    (line.dataset.formulas || "").split(" ").filter(Boolean).map((id) => document.getElementById(id)).filter(Boolean);
  const light = (elements, on) => elements.forEach((element) => element.classList.toggle("lit", on));
  const show = (line) => {
    // moves the pane of code, never the page
    const pane = line && line.closest("pre");
    if (!pane || pane.scrollHeight <= pane.clientHeight) return;
    const at = line.getBoundingClientRect(), frame = pane.getBoundingClientRect();
    if (at.top < frame.top || at.bottom > frame.bottom) pane.scrollTop += at.top - frame.top - frame.height / 3;
  };
  const follow = (element, partners, moves) => {
    const on = () => {
      light([element, ...partners()], true);
      if (moves) show(partners()[0]);
    };
    const off = () => light([element, ...partners()], false);
    element.addEventListener("pointerenter", on);
    element.addEventListener("pointerleave", off);
    element.addEventListener("focusin", on);
    element.addEventListener("focusout", off);
  };
  for (const formula of document.querySelectorAll(".formula[data-lines]"))
    if (formula.dataset.lines) follow(formula, () => lines(formula), true);
  for (const line of document.querySelectorAll(".line[data-formulas]")) follow(line, () => formulas(line), false);

  // the links over the gallery's pictures hide their words, from those who listen as well
  for (const link of document.querySelectorAll(".sphx-glr-thumbcontainer a")) link.setAttribute("aria-label", link.textContent);

  // the theme's search button is to be called what it shows
  for (const button of document.querySelectorAll(".search-button-field"))
    button.setAttribute("aria-label", button.textContent.replace(/\s+/g, " ").trim());

  // a link to a formula or a line inside of something folded opens it
  const unfold = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    if (target) show(target.closest(".line"));
  };
  window.addEventListener("hashchange", unfold);
  unfold();
})();
