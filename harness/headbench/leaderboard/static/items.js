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

  // A text with words marked: <mark> and the reason in words beside it, never colour alone.
  function marked(text, marks) {
    const made = element("pre");
    const body = document.createElement("bdi");
    made.append(body);
    let rest = hb.visible(text);
    while (rest) {
      let first = null;
      for (const [word, said] of marks) {
        const found = rest.toLowerCase().indexOf(word.toLowerCase());
        if (word && found >= 0 && (!first || found < first.found)) first = { found, word, said };
      }
      if (!first) break;
      body.append(rest.slice(0, first.found));
      const mark = element("mark", rest.slice(first.found, first.found + first.word.length));
      body.append(mark, element("span", ` [${first.said}]`, "soft small"));
      rest = rest.slice(first.found + first.word.length);
    }
    body.append(rest);
    return made;
  }

  function side(title, outputs, marks) {
    const made = element("div");
    made.append(element("h4", title));
    if (!outputs.length) made.append(element("p", "text not shown", "soft"));
    for (const text of outputs) made.append(marked(text || "(empty)", marks));
    return made;
  }

  function item(row, name) {
    const [document_, change, before, after, target, marks, editedMarks, picture] = row;
    const made = element("article", "", "card item");
    made.id = `d-${document_}`;
    made.append(element("h3", document_));
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
    two.append(side("unedited", before, marks), side(name, after, editedMarks));
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
      details.append(found ? marked(found[1], target ? [[target, "expected"]] : []) : element("p", "not shown", "soft"));
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
    const option = [...choose.options].find((one) => one.value === id) || choose.options[0];
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
