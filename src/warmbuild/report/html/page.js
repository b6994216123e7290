"use strict";
(() => {
  const rows = Array.from(document.querySelectorAll(".row"));
  if (!rows.length) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const details = document.querySelector("template").content.firstElementChild;
  const form = document.getElementById("filter");
  const folds = Array.from(document.querySelectorAll(".lane details"));
  const unfolded = folds.map((fold) => fold.open);
  const lanes = Array.from(document.querySelectorAll(".lane"));
  const of = (row) => data[row.dataset.number];
  const laneOf = new Map(rows.map((row) => [row, row.closest(".lane")]));
  const texts = new Map(rows.map((row) => [
    row, `${laneOf.get(row).firstElementChild.textContent} ${row.textContent} ${of(row).command}`.toLowerCase(),
  ]));
  let opened = null;

  const made = (name, text, kind = "") => {
    const element = document.createElement(name);
    element.textContent = text;
    element.className = kind;
    return element;
  };
  const close = () => {
    if (!opened) return;
    opened.setAttribute("aria-expanded", "false");
    opened.removeAttribute("aria-controls");
    details.remove();
    opened = null;
  };
  const open = (row) => {
    close();
    const { command, facts, tail, parts } = of(row);
    details.querySelector(".command").textContent = command;
    details.querySelector("dl").replaceChildren(
      ...facts.flatMap(([name, text]) => [made("dt", name), made("dd", text)]),
    );
    details.querySelector(".log").hidden = !tail;
    details.querySelector(".log pre").textContent = tail;
    details.querySelector(".parts").hidden = !parts.length;
    details.querySelector("tbody").replaceChildren(...parts.map(([name, took, size]) => {
      const line = document.createElement("tr");
      line.append(made("td", name, "code"), made("td", size, "number"), made("td", took, "number"));
      return line;
    }));
    row.after(details);
    row.setAttribute("aria-expanded", "true");
    row.setAttribute("aria-controls", "details");
    opened = row;
  };

  // One row is in the order of the Tab key, and arrows lead to the others.
  const reach = (row) => {
    rows.forEach((one) => { one.tabIndex = one === row ? 0 : -1; });
  };
  const visible = () => rows.filter((row) => !row.hidden && !row.closest("details:not([open])"));
  const filter = () => {
    const text = form.elements.text.value.trim().toLowerCase();
    const state = form.elements.state.value;
    const isAll = !text && state === "all";
    const busy = new Set();
    let count = 0;
    for (const row of rows) {
      const isMeant = state === "all" || row.dataset.state === state
        || (state === "path" && row.classList.contains("on-path"));
      row.hidden = !(isMeant && texts.get(row).includes(text));
      if (!row.hidden) {
        count += 1;
        busy.add(laneOf.get(row)).add(row.closest("details"));
      }
    }
    for (const lane of lanes) lane.hidden = !busy.has(lane);
    folds.forEach((fold, number) => {
      fold.hidden = !busy.has(fold);
      fold.open = isAll ? unfolded[number] : true;
    });
    if (opened && opened.hidden) close();
    document.getElementById("count").textContent = `${count} of ${rows.length}`;
    document.getElementById("nothing").hidden = count > 0;
    reach(visible()[0]);
  };

  document.getElementById("rows").addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row) return;
    reach(row);
    if (row === opened) close();
    else open(row);
  });
  document.getElementById("rows").addEventListener("keydown", (event) => {
    if (event.key === "Escape" && opened) {
      const row = opened;
      close();
      row.focus();
      return;
    }
    const row = event.target.closest(".row");
    const all = row ? visible() : [];
    const at = all.indexOf(row);
    const next = {
      ArrowDown: all[at + 1], ArrowUp: all[at - 1], Home: all[0], End: all[all.length - 1],
    }[event.key];
    if (!row || !next) return;
    event.preventDefault();
    reach(next);
    next.focus();
  });
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  reach(visible()[0] || rows[0]);
})();
