// Pages of what papers report: sort within one table, compare the protocols of two, find a paper.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const order = new Intl.Collator("en", { numeric: true });
  const view = new Map([...(hb.state.read() ?? [])].filter(([key]) => key === "compare" || key === "q"));

  // Sorting stays within a card: nothing is ranked across papers.
  for (const table of document.querySelectorAll("table.sorted-within")) {
    const body = table.tBodies[0];
    const printed = [...body.rows];
    if (printed.length < 3) continue;
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if (!("sort" in head.dataset)) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "" };
        const now = head.getAttribute("aria-sort");
        const way = now ? next[now] : "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        let rows = printed;
        if (way) {
          head.setAttribute("aria-sort", way);
          const sign = way === "ascending" ? 1 : -1;
          const value = (row) => (row.cells[column].dataset.v ?? "");
          rows = [...printed].sort((a, b) => {
            const [x, y] = [value(a), value(b)];
            if (x === "" || y === "") return (x === "") - (y === ""); // what is missing stays last
            return sign * (Number(x) - Number(y)) || order.compare(a.textContent, b.textContent);
          });
        }
        body.append(...rows);
        hb.say(way ? `${table.tBodies[0].rows.length} rows of one table, ${way}` : "rows in the order of the paper");
      });
    });
  }

  // Two picked cards: the fields that differ, and those that one of them does not record.
  const box = document.querySelector(".published-compare");
  const buttons = [...document.querySelectorAll("button.compare")];
  let picked = [];
  const list = (values) => values.join(", ");
  function sentence(columns, one, other) {
    const differs = [];
    const unknown = [];
    columns.slice(2).forEach((name, at) => {
      const [a, b] = [one[at + 2], other[at + 2]];
      if (a.includes("") || b.includes("")) unknown.push(name);
      else if (a.length === b.length && a.every((value, place) => value === b[place])) return;
      else {
        const short = [a, b].map((values) => (values.length > 3 ? `${values.length} values` : list(values)));
        differs.push(`${name} (${short[0]} | ${short[1]})`);
      }
    });
    const parts = [];
    parts.push(differs.length ? `differ in: ${differs.join(", ")}` : "no recorded field differs");
    if (unknown.length) parts.push(`not recorded in one or both: ${list(unknown)}`);
    parts.push(differs.length || unknown.length ? "so their figures do not compare" : "their figures compare");
    return `${one[1]} and ${other[1]}: ${parts.join("; ")}.`;
  }
  async function show() {
    for (const button of buttons) button.setAttribute("aria-pressed", String(picked.includes(button.dataset.card)));
    if (picked.length < 2) {
      hb.say(picked.length ? "One table picked; pick another." : "Pick two tables with Compare: what differs between them is named here.");
      return;
    }
    try {
      const { columns, rows } = await hb.load(box.dataset.shard);
      const [one, other] = picked.map((card) => rows.find((row) => row[0] === card));
      hb.say(sentence(columns, one, other));
    } catch (error) {
      hb.say(error.message);
    }
  }
  if (box) {
    const known = new Set(buttons.map((button) => button.dataset.card));
    picked = (view.get("compare") || "").split(",").filter((card) => known.has(card)).slice(0, 2);
    for (const button of buttons) {
      button.addEventListener("click", () => {
        const card = button.dataset.card;
        picked = picked.includes(card) ? picked.filter((one) => one !== card) : [...picked.slice(-1), card];
        view.set("compare", picked.join(","));
        hb.state.write(view);
        show();
      });
    }
    if (picked.length) show();
  }

  // Every word must occur: in a row of the index, or in a card.
  const find = document.getElementById("find");
  if (find) {
    const cards = [...document.querySelectorAll(".published-card")];
    const rows = cards.length ? cards : [...document.querySelectorAll("#papers-table tbody tr")];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const apply = () => {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, at) => {
        row.hidden = !words.every((word) => texts[at].includes(word));
        shown += !row.hidden;
      });
      if (words.length) hb.say(`${shown} of ${rows.length} ${cards.length ? "tables" : "lines"}`);
    };
    find.value = view.get("q") || "";
    find.addEventListener("input", () => {
      view.set("q", find.value);
      hb.state.write(view);
      apply();
      if (!find.value.trim()) hb.say("");
    });
    if (find.value) apply();
  }
});
