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
const STYLES = path.join(__dirname, "styles.json");
const LABEL_PX = 18; // from one label to the next
const TICKS = 5; // about so many, as the specs say
const BARS_MAX = 2; // values of a sweep that have bars side by side

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

// Of what is swept and could be an x axis, the first with more values than bars
// side by side can show; undefined: none.
function crowded(rows) {
    const shown = rows.filter((row) => row.status === "ok");
    return ["offered_per_s", "size_bytes"].find((field) => distinct(shown, field) > BARS_MAX);
}

// A spec for few values of a sweep is not for many; one for many draws them
// against the field that has them. null: the spec is not for these rows.
function formed(spec, rows) {
    const { sweep, axes } = spec.usermeta || {};
    const field = crowded(rows);
    if (!sweep || (sweep === "few" && !field))
        return spec;
    if (sweep === "few" || !field)
        return null;
    const { against, ...x } = axes[field];
    const copy = JSON.parse(JSON.stringify(spec));
    copy.usermeta.against = field;
    setParam(copy, "against", against);
    copy.spec.encoding.x = { field, type: "quantitative", ...x };
    return copy;
}

// What a cell's key says after connections and size: further swept options,
// without the rate where that is the x axis.
function furtherSwept(row, against) {
    const match = /\/s=\d+\/(.+)$/.exec(row.cell || "");
    const swept = match ? match[1].split("/") : [];
    const isRate = (one) => /^rate(-per-conn)?=/.test(one);
    return swept.filter((one) => against !== "offered_per_s" || !isRate(one))
        .map((one) => (isRate(one) && row.offered_per_s ? `${row.offered_per_s.toLocaleString("en")}/s` : one)).join(", ");
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
    const clients = against && against !== "connections" && distinct(rows, "connections") > 1;
    return rows.map((row) => {
        const what = [
            [String(row.transport).toUpperCase(), row.service].filter(Boolean).join(" "),
            sizes && `${row.size_bytes} B`, clients && `${row.connections} clients`, furtherSwept(row, against),
        ];
        return {
            ...row,
            series: row.model && byModel.get(`${row.transport}/${row.model}`).size === 1 ? row.model : row.server,
            panel: `${row.load} (${what.filter(Boolean).join(", ")})`,
        };
    });
}

// Figures as the table has them (bench/report/figures.c): three digits, rounded once.
function duration(ns) {
    if (ns < 999.5)
        return `${Math.round(ns)} ns`;
    const [unit, divisor] = ns < 999500 ? ["\u00b5s", 1e3] : ns < 999500000 ? ["ms", 1e6] : ["s", 1e9];
    const value = ns / divisor;
    const decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    const factor = 10 ** decimals;
    return `${(Math.round(value * factor) / factor).toFixed(decimals)} ${unit}`;
}

// 1, 2 or 5 times a power of ten.
function roundUp(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 5, 10].map((digit) => digit * power).find((one) => one >= value * (1 - 1e-9));
}

function roundDown(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [5, 2, 1].map((digit) => digit * power).find((one) => one <= value * (1 + 1e-9)) || power;
}

// From one tick to the next on an axis from 0 to top, as Vega has it.
function tickStep(top) {
    const raw = top / TICKS;
    const power = 10 ** Math.floor(Math.log10(raw));
    const over = raw / power;
    return power * (over >= Math.sqrt(50) ? 10 : over >= Math.sqrt(10) ? 5 : over >= Math.sqrt(2) ? 2 : 1);
}

// The ends of a panel's axis.
function ends(values, scale) {
    const greatest = Math.max(...values);
    if (scale === "log") {
        const low = roundDown(Math.min(...values));
        return [low, Math.max(roundUp(greatest), 10 * low)];
    }
    // The axis ends at a tick: at the first multiple of a step that Vega would
    // choose for just that axis.
    const power = 10 ** Math.floor(Math.log10((greatest || 1) / TICKS) - 1);
    const tops = [1, 2, 5, 10, 20, 50, 100].map((digit) => [digit * power, Math.ceil((greatest || 1) / (digit * power) - 1e-9)]);
    const [step, count] = tops.find(([size, many]) => Math.abs(tickStep(size * many) / size - 1) < 1e-9) || tops[4];
    return [0, step * count];
}

// Places for labels that want to be at wanted (ascending), at least apart from
// each other and within low and high, moved as little as can be: those that
// would touch share the way (pool adjacent violators).
function placesApart(wanted, apart, low, high) {
    const blocks = [];
    wanted.forEach((place, i) => {
        blocks.push({ sum: place - i * apart, count: 1 });
        while (blocks.length > 1) {
            const [a, b] = blocks.slice(-2);
            if (a.sum / a.count <= b.sum / b.count)
                break;
            blocks.splice(-2, 2, { sum: a.sum + b.sum, count: a.count + b.count });
        }
    });
    const top = high - (wanted.length - 1) * apart;
    const starts = blocks.flatMap(({ sum, count }) => Array(count).fill(sum / count));
    return starts.map((start, i) => Math.min(Math.max(start, low), top) + i * apart);
}

// Puts a label on the last point of each line: beside the greatest x, in a
// panel so high that they have room.
function placeLabels(rows, { against, value, scale }, [low, high], height, labelX) {
    const last = new Map();
    for (const row of rows) {
        if (!last.has(row.series) || last.get(row.series)[against] < row[against])
            last.set(row.series, row);
    }
    const of = scale === "log" ? Math.log : Number;
    const back = scale === "log" ? Math.exp : Number;
    const labelled = [...last.values()].sort((a, b) => a[value] - b[value]);
    const apart = (of(high) - of(low)) * LABEL_PX / height;
    const places = placesApart(labelled.map((row) => of(row[value])), apart, of(low), of(high));
    labelled.forEach((row, i) => {
        row.label = row.series + (row.partly ? `: ${row.flows_served} of ${row.flows_offered} served` : "");
        row.label_x = labelX;
        row.ends_early = row[against] < labelX;
        row.label_y = Math.min(Math.max(back(places[i]), low), high);
    });
}

function byPanel(rows) {
    const panels = new Map();
    for (const row of rows)
        panels.set(row.panel, [...(panels.get(row.panel) || []), row]);
    return [...panels.values()];
}

// What the specs need of each row beside what it has.
function completed(rows) {
    const limits = { generator_bound: "generator", unstable: "unstable" };
    return rows.map((row, order) => ({
        ...row,
        order,
        partly: Number.isInteger(row.flows_offered) && row.flows_served < row.flows_offered,
        limit: limits[row.verdict] || "none",
        cpu_text: Number.isFinite(row.server_cpu_ns_per_request) ? duration(row.server_cpu_ns_per_request) : null,
    }));
}

// Axes and labels: x alike in all panels of a figure, y as each panel needs.
function layOut(spec, rows) {
    const meta = spec.usermeta || {};
    if (!meta.against)
        return;
    const panels = byPanel(rows);
    const panel = spec.spec;
    const most = Math.max(...panels.map((of) => distinct(of, "series")));
    panel.height = Math.max(panel.height, most * LABEL_PX);
    const all = rows.map((row) => row[meta.against]);
    const [least, greatest] = [Math.min(...all), Math.max(...all)];
    panel.encoding.x.scale.domain = [least, greatest];
    // Where the axis begins and ends is said.
    const between = panel.encoding.x.axis.values.filter((value) => value > least && value < greatest);
    panel.encoding.x.axis.values = [least, ...between, greatest];
    for (const of of panels) {
        const values = of.flatMap((row) => [row[meta.value], meta.value === "requests_per_s" && row.requests_per_s_hi]);
        const [low, high] = ends(values.filter(Boolean), meta.scale);
        of.forEach((row) => Object.assign(row, { panel_low: low, panel_high: high }));
        placeLabels(of, meta, [low, high], panel.height, greatest);
    }
}

// Colour and dash of every line: those of its model wherever it is drawn;
// others get what is left, by their name.
function stylesOf(names) {
    const { models, others } = readJson(STYLES);
    const taken = new Set();
    const styles = new Map();
    for (const name of [...names].sort()) {
        if (models[name]) {
            styles.set(name, models[name]);
            continue;
        }
        let at = [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 65521, 7) % others.length;
        for (let tried = 0; taken.has(at) && tried < others.length; tried++)
            at = (at + 1) % others.length;
        taken.add(at);
        styles.set(name, others[at]);
    }
    return styles;
}

function applyStyles(node, styles) {
    if (!node || typeof node !== "object")
        return;
    for (const [key, child] of Object.entries(node)) {
        const kind = { color: "color", stroke: "color", strokeDash: "dash" }[key];
        if (kind && child && child.field === "series")
            child.scale = { domain: [...styles.keys()], range: [...styles.values()].map((style) => style[kind]) };
        else
            applyStyles(child, styles);
    }
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

// Rows that have what the spec needs, and nothing that it cannot show (lacks);
// none when its sweep has a single value.
function applicable(spec, rows) {
    const { needs = [], lacks = [], against, swept = against } = spec.usermeta || {};
    const has = rows.filter((row) => row.status === "ok" &&
        lacks.every((field) => row[field] === undefined) &&
        needs.every((field) => row[field] !== null && row[field] !== undefined) &&
        !(needs.includes("loss_where") && row.loss_where.difference));
    if (swept && new Set(has.map((row) => row[swept])).size < 2)
        return [];
    return has;
}

function setParam(spec, name, value) {
    const param = (spec.params || []).find((one) => one.name === name);
    if (param && value !== undefined)
        param.value = value;
}

// The legend names the causes of loss that there are, each in its own colour.
function nameCauses(spec, rows) {
    const { causes } = spec.usermeta || {};
    if (!causes)
        return;
    const { scale } = spec.spec.layer.find(({ name }) => name === "stack").encoding.color;
    const shown = scale.domain.map((name) => !causes[name] ||
        rows.some((row) => causes[name].some((cause) => row.loss_where[cause] > 0)));
    for (const part of ["domain", "range"])
        scale[part] = scale[part].filter((_, i) => shown[i]);
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
    layOut(filled, rows);
    nameCauses(filled, rows);
    applyStyles(filled.spec || filled, stylesOf(new Set(rows.map((row) => row.series))));
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
async function render(given, rows, options) {
    const spec = formed(given, rows);
    if (spec === null)
        return null;
    const usable = completed(applicable(spec, named(rows, (spec.usermeta || {}).against)));
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
