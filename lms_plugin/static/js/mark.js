// Marking without lifting the hands: 1 2 3 level · J K criterion · A accept what all agree on · R return · N next case
// · ? the keys. They rest while somebody writes, and can be switched off (WCAG 2.1.4).
const { each, kept } = nengli;
const OFF = "nengli:keys-off";

const writing = (target) =>
  target.isContentEditable || ["TEXTAREA", "SELECT"].includes(target.tagName) || (target.tagName === "INPUT" && !["radio", "checkbox"].includes(target.type));

each("form[data-marks]", (form) => {
  const all = [...form.querySelectorAll("[data-criterion]")];
  let now = -1;

  const chosen = (criterion) => criterion.querySelector("input[type=radio]:checked");
  const reasonOf = (criterion) => criterion.querySelector("[data-reason]");

  function settle(criterion) {
    const reason = reasonOf(criterion);
    if (reason) reason.required = Boolean(chosen(criterion)?.hasAttribute("data-why"));
  }

  function go(to, focus = true) {
    if (!all.length) return;
    all[now]?.classList.remove("now");
    now = Math.max(0, Math.min(all.length - 1, to));
    const criterion = all[now];
    criterion.classList.add("now");
    const texts = criterion.querySelector("details.texts");
    if (texts && !texts.dataset.seen) {
      texts.open = true; // unfolds below the hand, so nothing jumps; closed again by the person only
      texts.dataset.seen = "1";
    }
    if (!focus) return;
    criterion.scrollIntoView({ block: "nearest" });
    (chosen(criterion) ?? criterion.querySelector("input[type=radio]"))?.focus({ preventScroll: true });
  }

  function set(criterion, radio) {
    if (!radio || radio.disabled) return;
    radio.checked = true;
    radio.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function level(n) {
    if (now < 0) go(0);
    const criterion = all[now];
    const radio = criterion.querySelectorAll("input[type=radio]")[n];
    set(criterion, radio);
    radio?.focus({ preventScroll: true });
    if (radio?.hasAttribute("data-why")) reasonOf(criterion)?.focus();
  }

  function accept() {
    for (const criterion of all) {
      const agreed = criterion.dataset.agreed;
      if (agreed === undefined || agreed === "" || chosen(criterion)) continue;
      set(criterion, [...criterion.querySelectorAll("input[type=radio]")].find((radio) => radio.value === agreed));
    }
    const open = all.findIndex((criterion) => !chosen(criterion));
    if (open >= 0) go(open);
    else [...form.elements].filter((one) => one.type === "submit").at(-1)?.focus();
  }

  const press = (key) => document.querySelector(`[data-key="${key}"]`)?.click();
  const panel = () => document.querySelector("details[data-keys]");
  const keys = {
    1: () => level(0),
    2: () => level(1),
    3: () => level(2),
    j: () => go(now + 1),
    k: () => go(now - 1),
    a: accept,
    r: () => press("r"),
    n: () => press("n"),
    "?": () => panel() && (panel().open = !panel().open),
  };

  function hear(event) {
    if (!form.isConnected) return document.removeEventListener("keydown", hear);
    if (event.key === "Escape" && event.target.matches?.("[data-reason]")) return go(now);
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || writing(event.target) || kept.get(OFF)) return undefined;
    const act = keys[event.key.toLowerCase()];
    if (!act) return undefined;
    event.preventDefault();
    return act();
  }
  document.addEventListener("keydown", hear);

  for (const [index, criterion] of all.entries()) {
    settle(criterion);
    criterion.addEventListener("change", () => settle(criterion));
    criterion.addEventListener("focusin", () => index !== now && go(index, false));
  }

  form.addEventListener("click", (event) => {
    const phrase = event.target.closest?.("[data-phrase]");
    if (!phrase) return;
    const into = document.getElementById(phrase.dataset.into);
    into.value = into.value.trim() ? `${into.value.trimEnd()}\n${phrase.dataset.phrase}` : phrase.dataset.phrase;
    into.dispatchEvent(new Event("input", { bubbles: true }));
    into.focus();
  });
});

each("[data-keys-on]", (box) => {
  box.checked = !kept.get(OFF);
  box.closest("[hidden]")?.removeAttribute("hidden");
  box.addEventListener("change", () => (box.checked ? kept.drop(OFF) : kept.set(OFF, true)));
});

// Evidence and criteria as two tabs where the box is narrow; each keeps its place.
each("[data-tablist]", (list) => {
  const tabs = [...list.querySelectorAll("[role=tab]")];
  const panes = tabs.map((tab) => document.getElementById(tab.getAttribute("aria-controls")));
  const places = tabs.map(() => null);
  let at = Math.max(0, panes.findIndex((pane) => pane.querySelector(".bad"))); // where something is to be mended
  let narrow = null;

  function show(index) {
    if (narrow) places[at] = window.scrollY;
    at = index;
    for (const [n, tab] of tabs.entries()) {
      tab.setAttribute("aria-selected", String(n === at));
      tab.tabIndex = n === at ? 0 : -1;
      panes[n].hidden = narrow && n !== at;
    }
    if (narrow && places[at] !== null) window.scrollTo(0, places[at]);
  }

  function measure() {
    const is = list.closest(".wrap").clientWidth - 32 < 680;
    if (is === narrow) return;
    narrow = null;
    list.hidden = !is;
    for (const [n, pane] of panes.entries()) {
      if (is) {
        pane.setAttribute("role", "tabpanel");
        pane.setAttribute("aria-labelledby", tabs[n].id);
      } else {
        pane.removeAttribute("role");
        pane.removeAttribute("aria-labelledby");
      }
    }
    narrow = is;
    show(at);
  }

  for (const [n, tab] of tabs.entries()) {
    tab.addEventListener("click", () => show(n));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowRight: n + 1, ArrowLeft: n - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (to === undefined) return;
      show((to + tabs.length) % tabs.length);
      tabs[at].focus();
    });
  }
  const watch = new ResizeObserver(measure);
  watch.observe(list.closest(".wrap"));
  measure();

  // A criterion that the browser wants filled must be seen.
  document.addEventListener("invalid", (event) => {
    const index = panes.findIndex((pane) => pane.contains(event.target));
    if (narrow && index >= 0 && index !== at) show(index);
  }, true);

  // So must the place that a link of this page leads to.
  document.addEventListener("click", ({ target }) => {
    const link = target.closest?.('a[href^="#"]');
    const index = link ? panes.findIndex((pane) => pane.contains(document.getElementById(link.hash.slice(1)))) : -1;
    if (narrow && index >= 0 && index !== at) show(index);
  });
});
