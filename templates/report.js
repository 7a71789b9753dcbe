"use strict";
// Everything can be read without this script. It adds a copy button to commands,
// opens what is folded when the page is printed or a link leads into it, and makes call trees
// zoomable and searchable.
for (const code of document.querySelectorAll("pre.cmd")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const text = code.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code.querySelector("code"));
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  code.append(button);
}
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const d of folded) d.open = true;
});
addEventListener("afterprint", () => {
  for (const d of folded) d.open = false;
});

const reveal = () => {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
  target.scrollIntoView({block: "center"});
};
addEventListener("hashchange", reveal);
reveal();

const make = (tag, text, properties) => Object.assign(document.createElement(tag), {textContent: text}, properties);
let explained = false;
for (const svg of document.querySelectorAll("svg.flame")) {
  const width = svg.viewBox.baseVal.width, row = 18, near = 0.02;
  const frames = [...svg.querySelectorAll("g")].map(g => {
    const rect = g.querySelector("rect"), text = g.nextElementSibling;
    const f = {
      g, rect, text, full: g.querySelector("title").textContent, name: g.dataset.name ?? text.textContent,
      x: +rect.getAttribute("x"), y: +rect.getAttribute("y"), w: +rect.getAttribute("width"),
    };
    f.function = f.full.slice(0, f.full.lastIndexOf(": ")).toLowerCase();
    g.setAttribute("role", "button");
    g.setAttribute("aria-label", f.full);
    g.setAttribute("tabindex", "-1");
    text.setAttribute("aria-hidden", "true");
    return f;
  });
  const root = frames[0];
  let zoomed = root, focused = root;
  root.g.setAttribute("tabindex", "0");
  svg.setAttribute("role", "group");
  const holds = (a, b) => a.x <= b.x + near && a.x + a.w >= b.x + b.w - near;
  const fit = (name, chars) => name.length <= chars ? name : chars < 4 ? "" : name.slice(0, chars - 2) + "..";
  const zoom = to => {
    zoomed = to;
    for (const f of frames) {
      const above = f.y < to.y && holds(f, to), below = f.y >= to.y && holds(to, f);
      f.shown = above || below;
      for (const e of [f.g, f.text]) e.setAttribute("display", f.shown ? "inline" : "none");
      if (!f.shown) continue;
      const x = above ? 0 : (f.x - to.x) / to.w * width, w = above ? width : f.w / to.w * width;
      f.rect.setAttribute("x", x);
      f.rect.setAttribute("width", w);
      f.text.setAttribute("x", x + 3);
      f.text.textContent = fit(f.name, Math.trunc((w - 6) / 6.4));
    }
    all.disabled = to === root;
  };
  const focus = f => f.g.focus({preventScroll: true});
  const scroll = svg.closest(".scroll"); // a drawing that listens for the focus takes it itself
  scroll.addEventListener("focusin", e => {
    const f = frames.find(f => f.g === e.target);
    if (!f) return;
    focused.g.setAttribute("tabindex", "-1");
    f.g.setAttribute("tabindex", "0");
    focused = f;
  });
  const find = test => frames.filter(f => f.shown && test(f));
  const search = make("input", "", {type: "search", spellcheck: false});
  const label = make("label", "Find calls ");
  const found = make("output", "");
  const all = make("button", "Whole tree", {type: "button", disabled: true});
  const tools = make("div", "", {className: "tools scripted"});
  label.append(search);
  tools.append(label, all, found);
  if (!explained) tools.append(make("span", "Click a call, or press Enter on it, to zoom; arrow keys move, Escape goes back."));
  explained = true;
  scroll.before(tools);
  all.addEventListener("click", () => { zoom(root); focus(root); });
  search.addEventListener("input", () => {
    const word = search.value.trim().toLowerCase();
    let sum = 0, hits = 0;
    const counted = [];
    for (const f of frames) {
      const hit = word !== "" && f !== root && f.function.includes(word);
      f.g.classList.toggle("hit", hit);
      if (!hit) continue;
      hits++;
      if (counted.some(c => c.y < f.y && holds(c, f))) continue;
      counted.push(f);
      sum += f.w;
    }
    found.textContent = word === "" ? "" : `${hits} of the calls drawn, ${(100 * sum / width).toFixed(1)} % of the whole`;
  });
  for (const f of frames) f.g.addEventListener("click", () => { zoom(f); focus(f); });
  scroll.addEventListener("keydown", e => {
    if (!svg.contains(e.target)) return;
    const f = focused;
    let to;
    switch (e.key) {
      case "Enter": case " ": zoom(f); break;
      case "Escape": zoom(root); break;
      case "ArrowUp": to = find(o => o.y === f.y - row && holds(o, f))[0]; break;
      case "ArrowDown": to = find(o => o.y === f.y + row && holds(f, o))[0]; break;
      case "ArrowLeft": to = find(o => o.y === f.y && o.x < f.x).at(-1); break;
      case "ArrowRight": to = find(o => o.y === f.y && o.x > f.x)[0]; break;
      default: return;
    }
    e.preventDefault();
    if (to) focus(to);
  });
  zoom(root);
}
