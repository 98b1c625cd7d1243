// Search, filters, sorting, links and downloads of a board page. All rows are in the page; at most
// LIVE of them are laid out, the others wait in a second table body that is not displayed.
"use strict";
(() => {
  const LIVE = 50;
  const table = document.getElementById("board");
  const form = document.getElementById("tools");
  if (!table || !form) return;
  const turned = table.dataset.turned === "1";
  const live = table.tBodies[0];
  const rest = table.tBodies[1] || table.createTBody();
  rest.className = "rest";
  const heads = [...table.tHead.rows[0].cells];
  const firstColumn = heads.findIndex((cell) => cell.classList.contains("arm"));
  const start = firstColumn < 0 ? heads.length : firstColumn;
  const all = document.getElementById("all");
  const link = document.getElementById("link");
  const filters = [...form.querySelectorAll("select")];
  const collator = new Intl.Collator("en", { numeric: true });
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

  let rows = null; // made at first use: most visitors only read
  let columns = null;
  let view = new Map();
  let shown = []; // rows that the view has, in order
  let hiding = "";
  let shownColumns = null; // indexes of columns that it has; null: all

  function index() {
    if (rows) return;
    rows = [...live.rows, ...rest.rows].map((element, place) => ({
      element, place, text: words(element.cells, 0, start), data: element.dataset,
    }));
    columns = heads.slice(start).map((element, place) => ({
      place: place + start, text: element.textContent.toLowerCase(), data: element.dataset,
    }));
  }

  function words(cells, from, to) {
    let text = "";
    for (let at = from; at < to; at += 1) text += `${cells[at].textContent} `;
    return text.toLowerCase().replace(/\bhow\b/g, "");
  }

  // A cell is in the view when its row and its column together hold every word of the search.
  function matching(tokens, filter) {
    const passes = (one) => filter.every(([name, value]) => !(name in one.data) || one.data[name] === value);
    const mask = (one) => tokens.reduce((bits, token, at) => bits | (one.text.includes(token) ? 1 << at : 0), 0);
    const full = (1 << tokens.length) - 1;
    const cols = columns.filter(passes).map((one) => [one, mask(one)]);
    const found = rows.filter(passes).map((one) => [one, mask(one)]);
    if (!columns.length) return [found.filter(([, bits]) => bits === full).map(([one]) => one), []];
    const byRow = new Set(found.map(([, bits]) => bits));
    const keptColumns = cols.filter(([, bits]) => [...byRow].some((other) => (bits | other) === full));
    const byColumn = new Set(keptColumns.map(([, bits]) => bits));
    const kept = found.filter(([, bits]) => [...byColumn].some((other) => (bits | other) === full));
    return [kept.map(([one]) => one), keptColumns.map(([one]) => one)];
  }

  function status(cell) {
    return cell.dataset.s || (cell.dataset.d === undefined ? "none" : "ok");
  }

  function key(row, column, numeric) {
    const cell = row.element.cells[column];
    if (!numeric) return cell.textContent;
    return cell.dataset.d === undefined || cell.dataset.d === "" ? null : Number(cell.dataset.d);
  }

  function sorted(found, column, down) {
    if (column < 0 || column >= heads.length) return found;
    const numeric = heads[column].dataset.sort === "num";
    const sign = down ? -1 : 1;
    const keyed = found.map((row) => [key(row, column, numeric), row]);
    keyed.sort(([a, one], [b, two]) => {
      if (a === null || b === null) return (a === null) - (b === null) || one.place - two.place;
      const order = numeric ? a - b : collator.compare(a, b);
      return sign * order || one.place - two.place; // what is missing stands last either way
    });
    return keyed.map(([, row]) => row);
  }

  // Where a view of the address is no part of this page, it is ignored: links outlive results.
  function apply() {
    index();
    const tokens = (view.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean).slice(0, 20);
    const filter = filters
      .filter((one) => one.name !== "status" && view.get(one.name))
      .map((one) => [one.name, [...one.options].findIndex((o) => o.textContent === view.get(one.name)) - 1])
      .filter(([, at]) => at >= 0)
      .map(([name, at]) => [name, String(at)]);
    let [found, cols] = matching(tokens, filter);
    const wanted = view.get("status");
    if (wanted && columns.length) {
      found = found.filter((row) => cols.some((col) => status(row.element.cells[col.place]) === wanted));
    }
    const column = heads.findIndex((one) => one.dataset.name === view.get("sort"));
    const down = view.get("dir") === "down";
    shown = sorted(found, column, down);
    shownColumns = cols.map((one) => one.place);
    draw();
    for (const head of heads) head.removeAttribute("aria-sort");
    if (column >= 0) heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    tell(column, down);
  }

  function draw() {
    const most = view.get("all") === "1" ? shown.length : LIVE;
    const first = shown.slice(0, most).map((row) => row.element);
    const stay = new Set(first);
    const leave = [...live.rows].filter((row) => !stay.has(row));
    rest.append(...leave);
    live.replaceChildren(...first);
    const hidden = [];
    if (shownColumns.length < columns.length) {
      const kept = new Set(shownColumns);
      for (const one of columns) {
        if (!kept.has(one.place)) hidden.push(`#board tr > :nth-child(${one.place + 1})`);
      }
    }
    const rule = hidden.length ? `${hidden.join(",")}{display:none}` : "";
    if (rule !== hiding) sheet.replaceSync(rule); // the whole page is styled again
    hiding = rule;
    if (all) {
      all.setAttribute("aria-pressed", String(view.get("all") === "1"));
      all.parentElement.hidden = shown.length <= LIVE;
    }
  }

  function tell(column, down) {
    const order = column >= 0 ? `sorted by ${heads[column].dataset.name}, ${down ? "descending" : "ascending"}` : turned ? "methods with most comparisons first" : "sorted by task";
    const live50 = view.get("all") === "1" ? shown.length : Math.min(LIVE, shown.length);
    const of = shown.length === live50 ? "" : `, the first ${live50} shown`;
    const cols = shownColumns.length < columns.length ? `, ${shownColumns.length} of ${columns.length} columns` : "";
    hb.say(`${shown.length} ${shown.length === 1 ? "row" : "rows"}${of}${cols}, ${order}`);
  }

  function change(values, push = false) {
    for (const [name, value] of Object.entries(values)) {
      if (value) view.set(name, value);
      else view.delete(name);
    }
    hb.state.write(view, push);
    carry();
    apply();
  }

  // Links to the other pages of the board keep the search and the filters.
  function carry() {
    const kept = new Map([...view].filter(([name]) => !["sort", "dir", "all"].includes(name)));
    for (const one of document.querySelectorAll("a.keep, .kinds a")) {
      one.setAttribute("href", one.getAttribute("href").split("#")[0] + hb.state.text(kept));
    }
  }

  function fill() {
    form.q.value = view.get("q") || "";
    for (const one of filters) {
      const option = [...one.options].find((o) => (one.name === "status" ? o.value : o.textContent) === view.get(one.name));
      one.value = option ? option.value : "";
    }
    const folded = document.getElementById("filters");
    if (folded && filters.some((one) => one.value)) folded.setAttribute("aria-expanded", "true");
  }

  function open() {
    const found = hb.state.read();
    if (found === null) return; // the address names an element of the page, no view
    view = found;
    fill();
    carry();
    if (rows || view.size) apply();
  }

  // Head cells become buttons; their text is the column's name and nothing else.
  for (const head of heads) {
    if (!head.dataset.sort) continue;
    const main = head.cloneNode(true);
    head.dataset.name = main.textContent.replace(/\s+/g, " ").trim();
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      const same = view.get("sort") === head.dataset.name;
      const numeric = head.dataset.sort === "num";
      const down = same ? view.get("dir") !== "down" : numeric;
      change({ sort: head.dataset.name, dir: down ? "down" : "up" }, true);
    });
    head.append(button);
  }

  let typing = 0;
  form.q.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => change({ q: form.q.value.trim() }), 120);
  });
  for (const one of filters) {
    one.addEventListener("change", () => {
      const option = one.options[one.selectedIndex];
      change({ [one.name]: one.value === "" ? "" : one.name === "status" ? one.value : option.textContent }, true);
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    view = new Map();
    setTimeout(() => change({}, true), 0);
  });
  // On a phone the filters wait behind a button.
  const folded = document.getElementById("filters");
  if (folded) {
    folded.addEventListener("click", () => {
      folded.setAttribute("aria-expanded", String(folded.getAttribute("aria-expanded") !== "true"));
    });
  }
  if (all) all.addEventListener("click", () => change({ all: view.get("all") === "1" ? "" : "1" }, true));
  addEventListener("hashchange", open);
  addEventListener("popstate", open);
  addEventListener("beforeprint", () => {
    if (!rows) return;
    const kept = new Set(shown);
    for (const row of rows) row.element.hidden = !kept.has(row);
    rest.append(...shown.map((row) => row.element));
  });
  addEventListener("afterprint", () => {
    if (!rows) return;
    for (const row of rows) row.element.hidden = false;
    draw();
  });

  // ------------------------------------------------------------------ taking it along

  document.getElementById("copy").addEventListener("click", async () => {
    link.hidden = false;
    link.value = hb.state.link(view);
    link.select();
    try {
      await navigator.clipboard.writeText(link.value);
      hb.say("the link is in the clipboard");
    } catch {
      hb.say("copy the link from the field");
    }
  });

  // The cells of the view with all their digits, from the page's data.
  async function cells() {
    index();
    if (!shown.length && !view.size) shown = rows.slice();
    const data = await hb.load(table.dataset.shard);
    const at = Object.fromEntries(data.columns.map((name, place) => [name, place]));
    const keep = new Set();
    const cols = shownColumns || columns.map((one) => one.place);
    for (const row of shown) {
      const ids = row.element.querySelectorAll("a[href*='#r-']");
      for (const one of ids) {
        const cell = one.closest("td");
        if (cell && (cell.cellIndex < start || cols.includes(cell.cellIndex))) {
          keep.add(one.getAttribute("href").split("#r-")[1]);
        }
      }
    }
    return { columns: data.columns, at, rows: data.rows.filter((row) => keep.has(row[at.id])) };
  }

  function failed(error) {
    hb.say(error.message);
  }

  const name = `headbench-${table.dataset.shard}`;
  document.getElementById("csv").addEventListener("click", () => cells().then((data) => {
    const notes = [
      `headbench board, view ${hb.state.link(view)}`,
      "kinds of results are never to be compared with each other: see the column kind",
      "a text that a spreadsheet would run as a formula begins with an apostrophe",
    ];
    hb.download(`${name}.csv`, "text/csv", hb.csv(notes, data.columns, data.rows));
    hb.say(`${data.rows.length} cells written as CSV`);
  }).catch(failed));
  document.getElementById("json").addEventListener("click", () => cells().then((data) => {
    const text = JSON.stringify({ view: hb.state.link(view), columns: data.columns, rows: data.rows }, null, 1);
    hb.download(`${name}.json`, "application/json", `${text}\n`);
    hb.say(`${data.rows.length} cells written as JSON`);
  }).catch(failed));
  document.getElementById("cite").addEventListener("click", () => cells().then((data) => {
    const papers = new Set();
    const cols = shownColumns || columns.map((one) => one.place);
    const named = form.querySelector("select[name=paper]");
    const sources = named ? [...named.options].slice(1).map((one) => one.textContent) : [];
    const axes = turned ? shown.map((row) => row.data) : cols.map((place) => heads[place].dataset);
    for (const axis of axes) {
      for (const id of (sources[Number(axis.paper)] || "").match(/\b\d{4}\.\d{4,5}\b/g) || []) papers.add(id);
    }
    const ids = data.rows.map((row) => String(row[data.at.id]).slice(0, 12)).sort();
    const few = ids.length > 20 ? `${ids.slice(0, 20).join(", ")} and ${ids.length - 20} more` : ids.join(", ");
    const own = `@misc{headbench,\n  title = {headbench: what attention heads do, and what interventions on them change},\n  note = {Results ${few}; view ${hb.state.link(view)}}\n}\n`;
    const theirs = [...papers].sort().map((id) => `@misc{arxiv${id.replace(".", "_")},\n  eprint = {${id}},\n  archivePrefix = {arXiv}\n}\n`);
    document.getElementById("bibtex").value = [own, ...theirs].join("\n");
    document.getElementById("citation").showPopover();
  }).catch(failed));

  open();
})();
