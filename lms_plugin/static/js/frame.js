// The page inside its host: tell the height where the host listens, close what floats, open what is folded for paper.
const PATIENCE = 1000; // ms for an answer that nothing hangs on
const origin = document.body.dataset.platformOrigin;
if (origin && window.parent !== window) {
  let last = 0;
  const tell = () => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    if (Math.abs(height - last) < 5) return;
    last = height;
    window.parent.postMessage({ subject: "lti.frameResize", height }, origin);
  };
  new ResizeObserver(tell).observe(document.body);

  // The teacher's next step, for a host whose page keeps it beside the frame (the Open edX block does).
  const next = document.querySelector("[data-tells-next]") && document.querySelector("section.next .sentence");
  if (next) window.parent.postMessage({ subject: "nengli.next", next: next.textContent.trim() }, origin);

  // What is sent off here may have been that step: until a page says the next one, none is known.
  document.addEventListener("submit", (event) => {
    if (event.target.method === "post") window.parent.postMessage({ subject: "nengli.next", next: "" }, origin);
  });

  // What else the host listens to, it says itself.
  nengli.host.understands(window.parent, origin).then((known) => {
    const tellHost = (subject) => nengli.host.ask(window.parent, origin, subject, PATIENCE);
    if (known?.has("lti.scrollToTop")) {
      const top = () => location.hash || tellHost("lti.scrollToTop");
      top();
      document.addEventListener("htmx:pushedIntoHistory", top);
    }
    if (!known?.has("lti.close")) return;
    nengli.each("button[data-lti-close]", (button) => {
      button.hidden = false;
      button.addEventListener("click", () => tellHost("lti.close"));
    });
  });
}

// A form that came back with its mistakes is the answer to a POST: Back onto it would be a dead page, and refresh would
// send it again. In the history it takes the address of the page it was sent from.
const FROM = "nengli:from";
try {
  const from = sessionStorage.getItem(FROM);
  if (document.body.hasAttribute("data-posted") && from) history.replaceState(history.state, "", from);
  document.addEventListener(
    "submit",
    (event) => {
      if (event.target.method === "post") sessionStorage.setItem(FROM, location.pathname + location.search);
    },
    true,
  );
} catch {
  // storage is closed to this frame: the browser asks before it sends a form twice
}

document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.pop[open]")) if (!open.contains(event.target)) open.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.pop[open]")) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});

let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("main details:not([open])")];
  for (const one of folded) one.open = true;
});
window.addEventListener("afterprint", () => {
  for (const one of folded) one.open = false;
});
