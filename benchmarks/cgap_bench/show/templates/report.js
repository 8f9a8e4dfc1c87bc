"use strict";
// Sorting, charts, and their data as files. No network.
(() => {
  const config = JSON.parse(document.getElementById("config").textContent);

  const saved = (name, text) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  const contentOf = (figure) => JSON.parse(figure.querySelector("script").textContent);

  const draw = (figure) => {
    const places = figure.querySelectorAll(".plot");
    const width = Math.round(places[0].clientWidth);
    if (!width || figure.dataset.width === String(width)) return;
    figure.dataset.width = width;
    const { data, panels } = contentOf(figure);
    const narrow = { ...config, axisY: { labelLimit: 0.45 * width } };
    return Promise.all(panels.map(({ spec, height }, i) => {
      const whole = {
        ...spec,
        data,
        width,
        height: height + 45, // with its axis below
        autosize: { type: "fit", contains: "padding" },
      };
      return vegaEmbed(places[i], whole, { actions: false, renderer: "svg", config: narrow });
    }));
  };

  const figures = [...document.querySelectorAll("figure")];
  const drawAll = () => figures.forEach(draw);
  const watch = new IntersectionObserver(
    (seen) => seen.filter((one) => one.isIntersecting).forEach((one) => draw(one.target)),
    { rootMargin: "300px" },
  );
  figures.forEach((figure) => watch.observe(figure));

  // The first charts are there when the page is; the others follow while nobody waits for it.
  const LOADED_MS = 600; // since the page was asked for
  const TURN_MS = 100;
  const idle = window.requestIdleCallback || ((then) => setTimeout(then, 50));
  const rest = async (from, until) => {
    let next = from;
    while (next < figures.length && (next === from || performance.now() < until)) {
      await draw(figures[next]);
      next += 1;
    }
    const more = () => rest(next, performance.now() + TURN_MS);
    if (next < figures.length) idle(more, { timeout: 500 });
  };
  rest(0, LOADED_MS);

  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => figures.filter((one) => one.dataset.width).forEach(draw), 200);
  });
  addEventListener("beforeprint", drawAll);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.save) {
      const figure = button.closest("figure");
      const own = document.getElementById(button.dataset.table || "");
      saved(button.dataset.save, figure ? contentOf(figure).data.values : JSON.parse(own.textContent));
    } else if (button.closest("th")) sort(button.closest("th"));
  });

  const sort = (head) => {
    const body = head.closest("table").tBodies[0];
    const column = head.cellIndex;
    // numbers first by size from large to small, names from A to Z; again: the other way round
    const first = column === 0 ? "ascending" : "descending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    for (const one of head.parentNode.cells) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const key = (row) => row.cells[column].dataset.value;
    const compared = (a, b) => {
      if (column === 0) return key(a).localeCompare(key(b));
      return Number(key(a)) - Number(key(b));
    };
    [...body.rows]
      .sort((a, b) => {
        if (key(a) === "" || key(b) === "") return (key(a) === "") - (key(b) === "");
        return sign * compared(a, b);
      })
      .forEach((row) => body.append(row));
  };
})();
