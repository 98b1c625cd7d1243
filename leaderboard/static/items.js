// Documents of one condition beside the unedited model's. A condition's documents are a shard that
// is loaded when it is chosen; at most PAGE of them are laid out at once.
"use strict";
(() => {
  const PAGE = 20;
  const choose = document.getElementById("condition");
  const only = document.getElementById("only");
  const place = document.getElementById("items");
  if (!choose || !place) return;
  const wanted = { differs: null, worse: "worse", better: "better", same: "same score" };
  let at = 0;
  let shown = [];
  let asked = 0;

  function element(name, text, className) {
    const made = document.createElement(name);
    if (text) made.textContent = hb.visible(text);
    if (className) made.className = className;
    return made;
  }

  // A word of its own, or its plural: "car" is not marked in "carrot".
  function wordPattern(word) {
    const escaped = hb.visible(word).trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+");
    return escaped ? new RegExp(`(?<![\\p{L}\\p{N}_])${escaped}(?:e?s)?(?![\\p{L}\\p{N}_])`, "giu") : null;
  }

  // A text with words marked: <mark> and the reason in words beside it, never colour alone. Marks
  // may be of a lexicon's word where the text has a synonym: those are named below the text.
  function marked(text, marks, lost) {
    const made = element("pre");
    const body = document.createElement("bdi");
    made.append(body);
    const whole = hb.visible(text);
    const places = [];
    for (const [word, said] of marks) {
      const pattern = wordPattern(word);
      const found = pattern ? [...whole.matchAll(pattern)] : [];
      if (!found.length && lost) lost.push([word, said]);
      for (const one of found) places.push({ from: one.index, to: one.index + one[0].length, said });
    }
    places.sort((a, b) => a.from - b.from || b.to - a.to);
    let at = 0;
    for (const one of places) {
      if (one.from < at) continue;
      body.append(whole.slice(at, one.from), element("mark", whole.slice(one.from, one.to)));
      body.append(element("span", ` [${one.said}]`, "soft small"));
      at = one.to;
    }
    body.append(whole.slice(at));
    return made;
  }

  function side(title, outputs, marks, target) {
    const made = element("div");
    made.append(element("h3", title));
    if (!outputs.length) made.append(element("p", "text not shown", "soft"));
    const missing = new Map(marks.map((one) => [one[0], one]));
    for (const text of outputs) {
      const lost = [];
      made.append(marked(text || "(empty)", marks.length ? marks : target ? [[target, "expected"]] : [], lost));
      const words = new Set(lost.map(([word]) => word));
      for (const word of [...missing.keys()]) if (!words.has(word)) missing.delete(word);
    }
    if (outputs.length && missing.size) {
      const words = [...missing.values()].map(([word, said]) => `${word} [${said}]`).join(", ");
      made.append(element("p", `named in other words: ${words}`, "small"));
    }
    return made;
  }

  function item(row, name) {
    const [document_, change, before, after, target, marks, editedMarks, picture] = row;
    const made = element("article", "", "card item");
    made.id = `d-${document_}`;
    made.append(element("h2", document_));
    const facts = element("p", `${change}. Expected: ${target || "not shown"}`, "small");
    made.append(facts);
    if (picture && /^images\/[0-9a-f]+\.png$/.test(picture)) {
      const image = document.createElement("img");
      image.src = picture;
      image.alt = "the picture that was shown";
      image.width = 128;
      image.loading = "lazy";
      made.append(image);
    }
    const two = element("div", "", "two");
    two.append(side("unedited", before, marks, target), side(name, after, editedMarks, target));
    made.append(two);
    const details = element("details");
    details.append(element("summary", "Prompt"));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) prompt(details, document_, target);
    });
    made.append(details);
    return made;
  }

  async function prompt(details, id, target) {
    try {
      const data = await hb.load(choose.selectedOptions[0].dataset.prompts);
      const found = data.rows.find((row) => row[0] === id);
      details.append(found ? marked(found[1], target ? [[target, "expected answer"]] : []) : element("p", "not shown", "soft"));
    } catch (error) {
      details.append(element("p", error.message));
    }
  }

  function draw() {
    const name = choose.selectedOptions[0].textContent.split(": ")[0];
    place.replaceChildren(...shown.slice(at, at + PAGE).map((row) => item(row, name)));
    const last = Math.min(at + PAGE, shown.length);
    hb.say(shown.length ? `${at + 1} to ${last} of ${shown.length} documents` : "no such documents");
    document.getElementById("previous").disabled = at === 0;
    document.getElementById("next").disabled = last >= shown.length;
  }

  async function open() {
    const view = hb.state.read();
    const id = view.get("id") || "";
    // Links of older boards hold the first twelve digits of an id.
    const options = [...choose.options];
    const begin = id.length >= 12 ? options.filter((one) => one.value.startsWith(id)) : [];
    const option = options.find((one) => one.value === id) || (begin.length === 1 ? begin[0] : options[0]);
    choose.value = option.value;
    only.value = view.get("only") in wanted ? view.get("only") : "differs";
    document.getElementById("cell").href = option.dataset.cell;
    asked += 1;
    const mine = asked;
    try {
      const data = await hb.load(option.dataset.shard);
      if (mine !== asked) return; // another condition was chosen meanwhile
      const filter = wanted[only.value];
      shown = data.rows.filter((row) => !filter || row[1] === filter);
      const page = Number.parseInt(view.get("from") || "0", 10);
      at = page > 0 && page < shown.length ? page - (page % PAGE) : 0;
      draw();
    } catch (error) {
      place.replaceChildren(element("p", error.message, "notice"));
    }
  }

  function change(from) {
    hb.state.write(new Map([["id", choose.value], ["only", only.value], ["from", from ? String(from) : ""]]), true);
    open();
  }

  choose.addEventListener("change", () => change(0));
  only.addEventListener("change", () => change(0));
  document.getElementById("previous").addEventListener("click", () => change(Math.max(0, at - PAGE)));
  document.getElementById("next").addEventListener("click", () => change(at + PAGE));
  document.getElementById("choose").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", open);
  addEventListener("popstate", open);
  open();
})();
