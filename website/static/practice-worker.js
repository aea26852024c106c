// Python for the page practice.html, in a worker, so that the page can end it: what it is sent, it answers.
//   { load: { distribution, wheel } } → { ready: stubs }, or { missing: "python" | "numpy" | "wheel", why }
//   { name, sources }                 → { report }, or { ended: why }
let check;

const reads = async (url) => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
};

const load = async ({ distribution, wheel }) => {
  let missing = "python";
  try {
    const { loadPyodide } = await import(`${distribution}pyodide.mjs`);
    const python = await loadPyodide({ indexURL: distribution, packageBaseUrl: distribution, stdin: () => null });
    missing = "numpy";
    await python.loadPackage("numpy", { messageCallback: () => {}, errorCallback: () => {} });
    python.pyimport("numpy");
    missing = "wheel";
    python.unpackArchive(await reads(wheel), "wheel");
    const stubs = python.runPython("import json; from scratchnn.exercises import here; json.dumps(here.own_stubs())");
    check = python.runPython(`
      from pathlib import Path
      lambda name, sources: json.dumps(here.check(name, json.loads(sources), Path("/exercises")))
    `);
    postMessage({ ready: JSON.parse(stubs) });
  } catch (error) {
    postMessage({ missing, why: String(error.message || error).trim().split("\n").at(-1) });
  }
};

onmessage = async ({ data }) => {
  if (data.load) return load(data.load);
  try {
    postMessage({ report: JSON.parse(check(data.name, JSON.stringify(data.sources))) });
  } catch (error) {
    postMessage({ ended: String(error.message || error).trim().split("\n").at(-1) });
  }
};
