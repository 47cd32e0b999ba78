// Who is asking. Where the cookie did not stick, the first page of a launch carries a bearer in a <meta>; it is kept
// for this tab alone (sessionStorage, or memory where storage is refused) and sent with every request by htmx.
const root = document.documentElement;
const meta = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? "";
const SLOT = "nengli-bearer";

function stored(write) {
  try {
    if (write === null) sessionStorage.removeItem(SLOT);
    else if (write) sessionStorage.setItem(SLOT, write);
    return sessionStorage.getItem(SLOT) ?? "";
  } catch {
    // Storage is refused in a frame whose cookies are blocked: then the history's entry keeps it over a reload.
    if (write !== undefined) history.replaceState({ ...history.state, [SLOT]: write ?? undefined }, "");
    return history.state?.[SLOT] ?? "";
  }
}

let fingerprint = meta("nengli-fingerprint");
let bearer = meta("nengli-bearer");
const asked = document.querySelector("form[data-here]"); // the launch still asks whether it is really this person
let offered = "";
if (asked) [offered, bearer] = [bearer, ""];
else if (bearer) stored(bearer);
else if (fingerprint) stored(null); // this page came by cookie: an older bearer of the tab is of no use
else bearer = stored();

// The secret has no business in the page once it has been read.
document.querySelector('meta[name="nengli-bearer"]')?.remove();

const csrf = () => document.querySelector('input[name="csrf_token"]')?.value ?? "";

/** Headers that say whose page asks; for every fetch of ours. */
function headers(more = {}) {
  const said = { ...more };
  if (fingerprint) said["X-Nengli-Fingerprint"] = fingerprint;
  if (csrf()) said["X-Nengli-Csrf"] = csrf();
  if (bearer) said["X-Nengli-Session"] = bearer;
  return said;
}

/** Run `start` once for every element that matches, now and when htmx brings more. */
function each(selector, start) {
  const seen = new WeakSet();
  const run = (top) => {
    const found = [...top.querySelectorAll(selector)];
    if (top.matches?.(selector)) found.unshift(top);
    for (const one of found) {
      if (seen.has(one)) continue;
      seen.add(one);
      start(one);
    }
  };
  run(document);
  document.addEventListener("htmx:load", (event) => run(event.detail.elt));
}

/** Fill {name} places of a sentence that the server translated. */
const words = (sentence, values = {}) =>
  (sentence ?? "").replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));

/** What this device keeps for a person until the server has it; every access may be refused. */
const kept = {
  keys(prefix) {
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(prefix));
    } catch {
      return [];
    }
  },
  get(key) {
    try {
      return JSON.parse(localStorage.getItem(key) ?? "null");
    } catch {
      return null;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(key, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  },
  drop(key) {
    try {
      localStorage.removeItem(key);
    } catch {
      /* refused: there was nothing either */
    }
  },
};

/** Questions to the host's page (1EdTech LTI Client Side postMessages): only the named origin hears them and is heard. */
const host = {
  /** What a frame of the host answers, or null where nothing comes within `patience` ms (0: however late it comes). */
  ask(frame, origin, subject, patience = 0, more = {}) {
    const id = [...crypto.getRandomValues(new Uint32Array(4))].join("-");
    return new Promise((settle) => {
      const hear = ({ origin: from, data }) => {
        if (from === origin && data?.message_id === id && data.subject === `${subject}.response`) done(data);
      };
      const done = (answer) => {
        window.removeEventListener("message", hear);
        clearTimeout(timer);
        settle(answer);
      };
      const timer = patience ? setTimeout(done, patience, null) : 0;
      window.addEventListener("message", hear);
      frame.postMessage({ subject, message_id: id, ...more }, origin);
    });
  },
  /** The messages that a frame of the host says it understands; null where it gives no list. */
  async understands(frame, origin, patience) {
    const known = (await host.ask(frame, origin, "lti.capabilities", patience))?.supported_messages;
    return Array.isArray(known) ? new Set(known.map((one) => one?.subject)) : null;
  },
};

// What of this page is in use right now: an upload, words that the server does not have yet, a chooser of files, a hand on
// a button. Under these the page is never put anew: the file that somebody is choosing would be lost with its field.
const inUse = new Set(); // elements of it, or a word
const isInUse = () => [...inUse].some((one) => typeof one === "string" || one.isConnected);
let due = false; // something has changed that this page does not show yet
let asking = false;
function use(what, is = true) {
  if (is) inUse.add(what);
  else inUse.delete(what);
  if (asking) due = true; // what is on its way may be older than this
  if (!is) renew();
}

/** This page as it stands now in place of itself; no navigation, so that nothing chosen or clicked meanwhile is cut off. */
async function renew() {
  if (!due || asking || isInUse()) return;
  [due, asking] = [false, true];
  const here = location.pathname + location.search;
  const answer = await fetch(here, { headers: headers() }).catch(() => null);
  const text = answer?.ok ? await answer.text().catch(() => "") : "";
  asking = false;
  if (due || isInUse()) {
    due = true;
    return void renew();
  }
  if (turning && turning.readyState !== XMLHttpRequest.DONE) return; // on the way to another page
  if (here !== location.pathname + location.search) return; // it stands already, and is as new as this
  if (!answer) return void setTimeout(again, 5000);
  if (!text || !globalThis.htmx) return void (bearer || location.reload()); // the server says why
  take(text);
  globalThis.htmx.swap(document.body, text, { swapStyle: "innerHTML" });
}

function again() {
  due = true;
  renew();
}

const isFile = (one) => one.matches?.("input[type=file]");
document.addEventListener("click", ({ target }) => isFile(target) && use(target), true); // its chooser opens
for (const name of ["change", "cancel"]) document.addEventListener(name, ({ target }) => isFile(target) && use(target, false));
document.addEventListener("pointerdown", () => {
  for (const one of inUse) if (one !== "hand" && isFile(one)) inUse.delete(one); // whoever can press is back from it
  use("hand");
}, true);
for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, () => setTimeout(use, 300, "hand", false), true);

globalThis.nengli = Object.freeze({
  headers,
  each,
  use,
  again,
  words,
  kept,
  host,
  /** Names the person the page was made for. */
  get fingerprint() {
    return fingerprint;
  },
  /** A launch has proved this tab, which keeps no cookie. */
  enter(given, home) {
    bearer = given;
    begin(home);
  },
  /** Whether this tab lives by a bearer instead of a cookie. */
  get borne() {
    return Boolean(bearer);
  },
});
root.classList.add("js");

document.addEventListener("htmx:configRequest", ({ detail }) => {
  Object.assign(detail.headers, headers());
  if (detail.target === document.body) delete detail.headers["HX-Request"]; // a whole page is wanted, not a part of one
});

// In a tab without cookies links, Back and reload go by htmx. As in any tab, the last wish counts: a page that comes late
// from an earlier one must not take the place of what was asked for after it. (And the moment a page stands, it is
// htmx's whole: `defaultSettleDelay` is 0, else its links would for 20 ms and more be plain ones, which lead such a tab out.)
let turning = null;
let givesUp = false;
function turn(request) {
  givesUp = true;
  turning?.abort();
  givesUp = false;
  turning = request;
  going(request);
}
document.addEventListener("htmx:beforeRequest", (event) => {
  if (givesUp) event.preventDefault(); // the second of two clicks waited behind the first: it is given up with it
  else if (event.detail.boosted || event.detail.target === document.body) turn(event.detail.xhr);
});

// A browser shows that a page is on its way; here nobody else does.
const bar = document.createElement("progress");
bar.ariaHidden = "true";
bar.style.cssText = "position:fixed;inset:0 0 auto;z-index:9;height:4px";
let soon = 0;
function going(request) {
  clearTimeout(soon);
  soon = setTimeout(() => root.append(bar), 300);
  request.addEventListener("loadend", () => {
    if (request !== turning) return;
    clearTimeout(soon);
    bar.remove();
  });
}

document.addEventListener("htmx:historyCacheMiss", (event) => {
  for (const [name, value] of Object.entries(headers())) event.detail.xhr?.setRequestHeader(name, value);
  turn(event.detail.xhr);
  event.detail.xhr.addEventListener("error", () => cut(event.detail.xhr, "data-cut-back"));
});

// A browser's own page would say that the line is cut, or what the server refuses on the way back; here nobody else does.
function cut(request, words = "data-cut") {
  if (request !== turning) return;
  document.querySelector("[data-cut-said]")?.remove();
  const said = document.createElement("div");
  said.dataset.cutSaid = "";
  document.querySelector("main")?.prepend(said);
  said.append(document.querySelector(`template[${words}]`)?.content.cloneNode(true) ?? "");
  // The address bar stands at the page that Back asked for already: pressed again, it would lead past that one.
  for (const link of said.querySelectorAll("a")) link.href = location.pathname + location.search;
  globalThis.htmx?.process(said);
  said.scrollIntoView({ block: "nearest" });
}
document.addEventListener("htmx:sendError", (event) => cut(event.detail.xhr));
document.addEventListener("htmx:historyCacheMissLoadError", (event) => {
  take(event.detail.xhr.responseText);
  globalThis.htmx.swap(document.body, event.detail.xhr.responseText, { swapStyle: "innerHTML" });
});

// A boosted page brings only its body: take over language, text size and the scripts it asks for, whatever its status.
let wanted = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  const { boosted, xhr, target } = event.detail;
  if (!boosted && target !== document.body) return;
  event.detail.shouldSwap = xhr.status !== 204;
  take(xhr.responseText);
});
document.addEventListener("htmx:historyCacheMissLoad", (event) => take(event.detail.xhr?.responseText ?? ""));
for (const name of ["htmx:afterSwap", "htmx:historyRestore"]) document.addEventListener(name, bring);

function take(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  if (!page.querySelector("main")) return;
  fingerprint = page.querySelector('meta[name="nengli-fingerprint"]')?.content || fingerprint;
  root.lang = page.documentElement.lang || root.lang;
  root.className = `${page.documentElement.className} js`.trim();
  if (page.body.hasAttribute("data-posted")) document.body.dataset.posted = page.body.dataset.posted;
  else delete document.body.dataset.posted;
  wanted = [...page.querySelectorAll("head script[src]")].map((script) => ({ src: script.getAttribute("src"), type: script.type }));
}

function bring() {
  const have = new Set([...document.scripts].map((script) => script.getAttribute("src")));
  for (const { src, type } of wanted) {
    if (have.has(src) || !src.startsWith("/")) continue;
    const script = document.createElement("script");
    script.type = type;
    script.src = src;
    document.head.append(script);
  }
  wanted = [];
}

/** From here on every link and form goes through htmx, which carries the header; then the page is asked for anew. */
function live(address) {
  document.body.setAttribute("hx-boost", "true");
  const ask = () => {
    globalThis.htmx.process(document.body);
    if (address) globalThis.htmx.ajax("GET", address, { target: "body", swap: "innerHTML" });
  };
  if (globalThis.htmx) ask();
  else document.addEventListener("DOMContentLoaded", ask);
}

/** The launch is over: its address gives way, so that Back and reload never meet it again. */
function begin(home) {
  history.replaceState(null, "", "/");
  stored(bearer);
  live(home || "/");
}

if (asked && offered) {
  asked.hidden = false;
  let answered = false;
  asked.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (answered) return;
    answered = true;
    // Until the server has heard the answer, the bearer serves nobody.
    const said = await fetch(asked.action, { method: "POST", headers: { "X-Nengli-Session": offered } }).catch(() => null);
    answered = Boolean(said?.ok);
    if (!said) return; // the line is cut: the button stays
    if (!said.ok) return void asked.submit(); // asked too late: the server's page says so
    bearer = offered;
    begin(asked.dataset.home);
  });
} else if (bearer) {
  // A reload came without the header and so without a person: ask once more, with it. Never a launch again.
  live(!fingerprint && !location.pathname.startsWith("/lti/") ? location.pathname + location.search : "");
}

// A local copy (autosave.js writes them) is dropped when the server has said that it took the form: the address it
// leads to carries the name under which the copy was sent. An expired session, a refusal, a cut line say no such thing.
function acknowledged() {
  const here = new URL(location.href);
  const name = here.searchParams.get("kept");
  if (name === null) return;
  for (const key of kept.keys("nengli:draft:")) if (kept.get(key)?.sent === name) kept.drop(key);
  here.searchParams.delete("kept");
  history.replaceState(history.state, "", here.pathname + here.search + here.hash);
}
acknowledged();
document.addEventListener("htmx:pushedIntoHistory", acknowledged);
// Every entry of the history is to be reloaded too, one that htmx has written anew or gone back to as well.
for (const name of ["htmx:pushedIntoHistory", "htmx:historyRestore"]) document.addEventListener(name, () => bearer && stored(bearer));
window.addEventListener("hashchange", () => bearer && stored(bearer)); // a place within the page is an entry of its own
for (const key of kept.keys("nengli:draft:")) {
  const copy = kept.get(key);
  if (!copy || Date.now() - copy.at > 30 * 24 * 3600 * 1000) kept.drop(key);
}
