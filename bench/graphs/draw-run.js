// Draws every graph that applies to a run of `sockbench run`:
//
//   node draw-run.js BUNDLES_DIR RUN_DIR
//
// Reads RUN_DIR/rows.json (and report.json for the caption), writes
// RUN_DIR/graphs/NAME.svg, and prints the paths written, one a line.
"use strict";
const fs = require("fs");
const path = require("path");
const { loadBundles, readJson, render } = require("./render.js");

const LAYOUTS = {
    split: "server and load on different CPUs",
    shared: "server and load on one CPU",
};

function counted(count, word) {
    return `${count} ${word}${count === 1 ? "" : "s"}`;
}

// How it was measured, in words: only what the run itself says.
function caption(rows, report) {
    const layouts = [...new Set(rows.map((row) => row.layout))];
    const lines = [layouts.map((layout) => LAYOUTS[layout] || `layout ${layout}`).join("; ")];
    const sizes = [...new Set(rows.map((row) => row.size_bytes).filter((size) => size))];
    if (sizes.length === 1)
        lines.push(`${sizes[0]} bytes a message`);
    const scenario = report.scenario || report.config || {};
    const repetitions = scenario.repetitions || report.repetitions;
    const seed = scenario.seed || (report.run || {}).seed;
    if (repetitions)
        lines.push(counted(repetitions, "repetition"));
    if (seed !== undefined && seed !== null)
        lines.push(`seed ${seed}`);
    const notes = [];
    if (rows.some((row) => row.status === "ok" && row.flows_served < row.flows_offered))
        notes.push("hollow: not every client was served");
    const failed = rows.filter((row) => row.status === "failed").length;
    if (failed > 0)
        notes.push(`${counted(failed, "failed cell")} not drawn`);
    const text = [lines.join(", ")];
    if (notes.length > 0)
        text.push(notes.join("; "));
    return text;
}

async function main() {
    const [bundles, run] = process.argv.slice(2);
    if (!run) {
        console.error("usage: node draw-run.js BUNDLES_DIR RUN_DIR");
        return 2;
    }
    const rows = readJson(path.join(run, "rows.json"));
    const reportFile = path.join(run, "report.json");
    const report = fs.existsSync(reportFile) ? readJson(reportFile) : {};
    loadBundles(bundles);
    const graphs = path.join(run, "graphs");
    fs.mkdirSync(graphs, { recursive: true });
    const options = { caption: caption(rows, report) };
    for (const file of fs.readdirSync(__dirname).filter((name) => name.endsWith(".vl.json")).sort()) {
        const svg = await render(readJson(path.join(__dirname, file)), rows, options);
        if (svg === null)
            continue;
        const out = path.join(graphs, file.replace(".vl.json", ".svg"));
        fs.writeFileSync(out, svg);
        console.log(out);
    }
    return 0;
}

main().then((code) => { process.exitCode = code; }, (error) => {
    console.error(`graphs: ${error.message}`);
    process.exitCode = 1;
});
