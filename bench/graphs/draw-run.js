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

const LINE_LETTERS = 110; // of a caption

const LAYOUTS = {
    split: "server and load on different CPUs",
    shared: "server and load on one CPU",
    sharded: "a worker and a thread of the load on each CPU",
    free: "server and load wherever the kernel put them",
};

function counted(count, word) {
    return `${count} ${word}${count === 1 ? "" : "s"}`;
}

// Joined by semicolons, in lines that a panel is wide enough for.
function wrapped(notes) {
    const text = [];
    for (const note of notes) {
        const last = text.length - 1;
        if (last >= 0 && text[last].length + note.length + 2 <= LINE_LETTERS)
            text[last] += `; ${note}`;
        else
            text.push(note);
    }
    return text;
}

// How it was measured, in words: only what the run itself says.
function caption(rows, report, { needs, against, marks = against, note }) {
    const { name = rows.length > 0 ? rows[0].layout : "unknown", server_cpus, generator_cpus } = report.layout || {};
    const lines = [LAYOUTS[name] || `layout ${name}`];
    if (name === "sharded" && server_cpus)
        lines[0] = `sharded layout: a worker and a thread of the load on each of CPUs ${server_cpus}`;
    else if (server_cpus && generator_cpus)
        lines[0] = `${name} layout: server on CPU ${server_cpus}, load on CPU ${generator_cpus}`;
    const sizes = [...new Set(rows.map((row) => row.size_bytes).filter((size) => size))];
    if (sizes.length === 1)
        lines.push(`${sizes[0]} bytes a message`);
    const { repetitions } = report.scenario || {};
    const { seed } = report.run || {};
    if (repetitions > 1)
        lines.push(`medians of ${repetitions}${needs.includes("requests_per_s") ? ", bands from least to greatest" : ""}`);
    else if (repetitions === 1)
        lines.push("one run a point");
    if (seed !== undefined)
        lines.push(`seed ${seed}`);
    const notes = [];
    if (rows.some((row) => row.status === "ok" && row.flows_served < row.flows_offered))
        notes.push("hollow: not every client was served");
    const drawn = rows.filter((row) => marks && row.status === "ok" &&
        needs.every((field) => row[field] !== null && row[field] !== undefined));
    if (drawn.some((row) => row.verdict === "generator_bound"))
        notes.push("diamonds: the load generator was the limit");
    if (drawn.some((row) => row.verdict === "unstable"))
        notes.push("triangles: the rate was not steady, or others used the CPUs");
    if (drawn.some((row) => row.outcome === "broke"))
        notes.push("crosses: it did not hold");
    if (drawn.some((row) => row.slo_p99_ns))
        notes.push("dotted: what was asked of p99");
    const without = rows.filter((row) => row.status === "ok" &&
        needs.some((field) => row[field] === null || row[field] === undefined)).length;
    if (without > 0)
        notes.push(`${counted(without, "cell")} with too few requests for this figure not drawn`);
    const open = rows.filter((row) => needs.includes("loss_where") && row.loss_where && row.loss_where.difference).length;
    if (open > 0)
        notes.push(`${counted(open, "cell")} where the sums of datagrams do not close not drawn`);
    const failed = rows.filter((row) => row.status === "failed").length;
    if (failed > 0)
        notes.push(`${counted(failed, "failed cell")} not drawn`);
    const text = [lines.join(", "), ...wrapped(notes)];
    if (note)
        text.push(note);
    return text;
}

// Loads by the titles that the scenario gives them.
function titled(rows, report) {
    const titles = new Map((report.cells || []).map(({ load }) => [load.name, load.title || load.name]));
    return rows.map((row) => ({ ...row, load: titles.get(row.load) || row.load }));
}

async function main() {
    const [bundles, run] = process.argv.slice(2);
    if (!run) {
        console.error("usage: node draw-run.js BUNDLES_DIR RUN_DIR");
        return 2;
    }
    const reportFile = path.join(run, "report.json");
    const report = fs.existsSync(reportFile) ? readJson(reportFile) : {};
    const rows = titled(readJson(path.join(run, "rows.json")), report);
    loadBundles(bundles);
    const graphs = path.join(run, "graphs");
    fs.mkdirSync(graphs, { recursive: true });
    for (const file of fs.readdirSync(__dirname).filter((name) => name.endsWith(".vl.json")).sort()) {
        const spec = readJson(path.join(__dirname, file));
        const svg = await render(spec, rows, { caption: caption(rows, report, spec.usermeta) });
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
