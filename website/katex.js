// KaTeX as a filter: a line {"tex": …, "display": …} in, a line {"html": …} or {"error": …} out.
"use strict";
const katex = require("katex");

// words beside a formula may hold signs that KaTeX's fonts lack
const strict = (problem) => (/^unknownSymbol$|^symbolNotInFont$/.test(problem) ? "ignore" : "error");

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { tex, display } = JSON.parse(line);
  let answer;
  try {
    answer = { html: katex.renderToString(tex, { displayMode: display, throwOnError: true, strict }) };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
});
