// Draws one Vega-Lite spec over tidy rows, without a browser:
//
//   node render.js BUNDLES_DIR SPEC.vl.json ROWS.json OUT.svg [WIDTH]
//
// BUNDLES_DIR holds vega.min.js and vega-lite.min.js (scripts/graph-bundles
// brings them). WIDTH is that of a panel, in pixels. Exit 77 when the rows hold
// nothing that the spec could show.
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const THEME = path.join(__dirname, "theme.json");

function loadBundles(folder) {
    for (const name of ["vega.min.js", "vega-lite.min.js"]) {
        const file = path.join(folder, name);
        vm.runInThisContext(fs.readFileSync(file, "utf8"), { filename: file });
    }
    globalThis.vega.textMetrics.width = textWidth;
}

// Advance widths of Liberation Sans (those of Helvetica), in thousandths of the
// font size, from space to tilde. Without a canvas Vega guesses, far too wide,
// and pushes the panels apart.
const WIDTHS = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

function textWidth(item, text) {
    const line = String(text === undefined ? item.text : text);
    let thousandths = 0;
    for (const letter of line)
        thousandths += WIDTHS[letter.codePointAt(0) - 32] || 556;
    const bold = item.fontWeight === "bold" ? 1.07 : 1;
    return thousandths / 1000 * (item.fontSize || 11) * bold;
}

function readJson(file) {
    try {
        return JSON.parse(fs.readFileSync(file, "utf8"));
    } catch (error) {
        throw new Error(`${file}: ${error.message}`);
    }
}

function distinct(rows, field) {
    return new Set(rows.map((row) => row[field])).size;
}

// What a cell's key says after connections and size: further swept options.
function furtherSwept(row) {
    const match = /\/s=\d+\/(.+)$/.exec(row.cell || "");
    return match ? match[1].replace(/\//g, ", ") : "";
}

// What a panel and a line are called. A server's own name is used where two
// servers of one transport run the same model. What is swept and is not the x
// axis gives panels of its own.
function named(rows, against) {
    const byModel = new Map();
    for (const row of rows) {
        const key = `${row.transport}/${row.model}`;
        byModel.set(key, (byModel.get(key) || new Set()).add(row.server));
    }
    const sizes = against !== "size_bytes" && distinct(rows, "size_bytes") > 1;
    const clients = against === "size_bytes" && distinct(rows, "connections") > 1;
    return rows.map((row) => {
        const what = [
            [String(row.transport).toUpperCase(), row.service].filter(Boolean).join(" "),
            sizes && `${row.size_bytes} B`, clients && `${row.connections} clients`, furtherSwept(row),
        ];
        return {
            ...row,
            series: row.model && byModel.get(`${row.transport}/${row.model}`).size === 1 ? row.model : row.server,
            panel: `${row.load} (${what.filter(Boolean).join(", ")})`,
        };
    });
}

// The largest number of clients, in words, where it is the same for all panels.
function mostClients(rows) {
    const most = new Map();
    for (const row of rows)
        most.set(row.panel, Math.max(most.get(row.panel) || 0, row.connections));
    const [count, ...others] = new Set(most.values());
    if (others.length > 0)
        return "largest number of clients";
    return `${count} ${count === 1 ? "client" : "clients"}`;
}

// Rows that have what the spec needs; none when its sweep has a single value.
function applicable(spec, rows) {
    const { needs = [], against } = spec.usermeta || {};
    const has = rows.filter((row) => row.status === "ok" &&
        needs.every((field) => row[field] !== null && row[field] !== undefined));
    if (against && new Set(has.map((row) => row[against])).size < 2)
        return [];
    return has;
}

function setParam(spec, name, value) {
    const param = (spec.params || []).find((one) => one.name === name);
    if (param && value !== undefined)
        param.value = value;
}

// Every number that a caption or a title computes from the rows is set here.
function fill(spec, rows, { caption, width } = {}) {
    const filled = JSON.parse(JSON.stringify(spec));
    filled.data = { name: "rows", values: rows };
    setParam(filled, "caption", caption);
    setParam(filled, "most_clients", mostClients(rows));
    const panel = filled.spec || filled;
    // A single panel has the width of two.
    if (distinct(rows, "panel") === 1)
        Object.assign(panel, { width: 700 }, typeof panel.height === "number" ? { height: 360 } : {});
    if (width)
        panel.width = width;
    return filled;
}

function escapeAttribute(text) {
    return text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;");
}

async function toSvg(spec, theme) {
    const vega = globalThis.vega;
    const compiled = globalThis.vegaLite.compile(spec, { config: theme, logger: quiet(vega) });
    const view = new vega.View(vega.parse(compiled.spec), { renderer: "none", logger: quiet(vega) });
    const svg = await view.toSVG();
    view.finalize();
    return svg.replace("<svg ", `<svg role="img" aria-label="${escapeAttribute(spec.description || "")}" `);
}

function quiet(vega) {
    return vega.logger(vega.Error);
}

// The graph as SVG text, or null when the rows hold nothing for it.
async function render(spec, rows, options) {
    const usable = applicable(spec, named(rows, (spec.usermeta || {}).against));
    if (usable.length === 0)
        return null;
    return toSvg(fill(spec, usable, options), readJson(THEME));
}

module.exports = { loadBundles, readJson, render };

async function main() {
    const [bundles, specFile, rowsFile, out, width] = process.argv.slice(2);
    if (!out) {
        console.error("usage: node render.js BUNDLES_DIR SPEC.vl.json ROWS.json OUT.svg [WIDTH]");
        return 2;
    }
    loadBundles(bundles);
    const svg = await render(readJson(specFile), readJson(rowsFile), { width: width ? Number(width) : undefined });
    if (svg === null) {
        console.error(`${specFile}: the rows hold nothing to show`);
        return 77;
    }
    fs.writeFileSync(out, svg);
    return 0;
}

if (require.main === module) {
    main().then((code) => { process.exitCode = code; }, (error) => {
        console.error(`graphs: ${error.message}`);
        process.exitCode = 1;
    });
}
