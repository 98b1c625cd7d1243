// The one script of every page. It runs from file://, under a policy without inline code, so there
// is no fetch and no module. Everything it shows is set as text.
"use strict";
document.documentElement.classList.add("js");

const hb = (() => {
  const shards = new Map(); // name -> {columns, rows}
  const loading = new Map(); // name -> promise
  const asScript = globalThis.trustedTypes
    ? globalThis.trustedTypes.createPolicy("hb", {
        createScriptURL(url) {
          if (/^data\/[a-z0-9_.-]+\.js$/.test(url)) return url;
          throw new TypeError("not a shard of this board");
        },
      })
    : { createScriptURL: (url) => url };

  function put(name, columns, rows) {
    shards.set(name, { columns, rows });
  }

  // A promise of a shard; it fails with words for the reader where the file is missing.
  function load(name) {
    if (shards.has(name)) return Promise.resolve(shards.get(name));
    if (!loading.has(name)) {
      loading.set(name, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = asScript.createScriptURL(`data/${name}.js`);
        const fail = () => {
          loading.delete(name);
          reject(new Error(`data/${name}.js cannot be read: is the folder complete?`));
        };
        script.onload = () => (shards.has(name) ? resolve(shards.get(name)) : fail());
        script.onerror = fail;
        document.head.append(script);
      }));
    }
    return loading.get(name);
  }

  // The state of a view in the address: #v=1&q=vhr. Links of an older version are brought forward
  // by one function per version, so that they still open what they meant.
  const VERSION = 1;
  const MIGRATIONS = { 0: (old) => old }; // before there was a version: the same keys
  const state = {
    // The view that the address names; null where it names an element of the page instead.
    read() {
      if (location.hash.length > 1 && !location.hash.includes("=")) return null;
      let found = new Map(new URLSearchParams(location.hash.slice(1)));
      let version = Number(found.get("v") || 0);
      if (!Number.isInteger(version) || version < 0 || version > VERSION) return new Map();
      for (; version < VERSION; version += 1) found = MIGRATIONS[version](found);
      found.delete("v");
      return found;
    },
    text(values) {
      const kept = [...values].filter(([, value]) => value !== "" && value != null);
      kept.sort(([a], [b]) => (a < b ? -1 : 1));
      return kept.length ? `#${new URLSearchParams([["v", String(VERSION)], ...kept])}` : "";
    },
    write(values, push = false) {
      const wanted = state.text(values);
      if (wanted === location.hash) return;
      const address = wanted || location.pathname + location.search;
      history[push ? "pushState" : "replaceState"](null, "", address);
    },
    link(values) {
      return location.href.split("#")[0] + state.text(values);
    },
  };

  // CSV as spreadsheets read it. A text that one would run as a formula gets an apostrophe.
  function csvCell(value) {
    if (value == null) return "";
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    let text = String(value);
    if (/^[=+\-@\t\r\n]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function csv(notes, columns, rows) {
    const head = notes.map((note) => csvCell(`# ${note}`));
    return [...head, columns.map(csvCell).join(","), ...rows.map((row) => row.map(csvCell).join(","))].join("\n") + "\n";
  }

  function download(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // Control and direction characters as escapes, as the pages show them; line ends stay.
  function visible(text) {
    return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (char) => {
      const code = char.charCodeAt(0);
      return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
    });
  }

  // One line for everyone, read aloud where a screen reader listens: <p id=status role=status>.
  function say(text) {
    const line = document.getElementById("status");
    if (line) line.textContent = text;
  }

  // The skip link moves the focus and leaves the address, which holds the view, as it is.
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest(".skip")) {
      event.preventDefault();
      document.getElementById("main").focus();
    }
  });

  return { put, load, state, csv, download, say, visible };
})();
globalThis.hb = hb;
