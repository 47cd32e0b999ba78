/* The card beside the frame: hears the tool's page, asks the LMS what has come meanwhile, says when the tool is silent. */
/* global $ */
function NengliCard(runtime, element) {
  "use strict";
  var root = $(element).find(".nengli").addBack(".nengli").get(0);
  if (!root || root.dataset.nengli) return;
  root.dataset.nengli = "1";
  var find = function (what) { return root.querySelector(what); };
  var frame = find("iframe"), down = find("[data-down]"), tool = root.dataset.tool, isTeam = Boolean(root.dataset.isTeam);
  var origin = new URL(tool).origin, PATIENCE = 8000, EVERY = 60000, LOWEST = 320, HIGHEST = 20000, heard = false, asked = 0, told = "";

  function post(handler, data, then) {
    $.ajax({ type: "POST", url: runtime.handlerUrl(element, handler), data: JSON.stringify(data), contentType: "application/json" })
      .done(then || function () {}); // what cannot be refreshed stays as it is
  }
  function show(card) {
    ["points", "hours"].forEach(function (kind) {
      var place = find('[data-line="' + kind + '"]'), line = card[kind];
      place.querySelector(".nengli-number").textContent = line ? line.given + " / " + line.maximum : place.dataset.none;
      place.querySelector("progress").value = line ? line.percent : 0;
    });
    if (card.is_next_over) told = ""; // it was said before these came
    next(told || card.next); // what the frame says now is newer than what an answer on its way was told
  }
  function next(words) {
    var place = find("[data-next]");
    place.textContent = words || place.dataset.first;
  }
  function refresh() {
    if (document.hidden || Date.now() - asked < 5000) return;
    asked = Date.now();
    post("state", {}, show);
  }
  function silent(is) { down.hidden = !is; }

  // Whether the tool answers at all: not what it says, which another site may not read.
  function probe() {
    if (heard) return;
    var over = new AbortController(), timer = setTimeout(function () { over.abort(); }, PATIENCE);
    fetch(tool + "/.well-known/jwks.json", { mode: "no-cors", credentials: "omit", cache: "no-store", signal: over.signal })
      .then(function () { silent(false); }, function () { silent(!heard); })
      .then(function () { clearTimeout(timer); });
  }

  window.addEventListener("message", function (event) {
    if (!frame || event.source !== frame.contentWindow || event.origin !== origin) return;
    var said = event.data || {};
    heard = true;
    silent(false);
    if (said.subject === "lti.frameResize" && isFinite(said.height)) {
      frame.style.height = Math.min(Math.max(Number(said.height), LOWEST), HIGHEST) + "px"; // exactly: its page fills what it gets
    } else if (said.subject === "nengli.next" && typeof said.next === "string" && !isTeam) {
      told = said.next.slice(0, 200);
      next(told);
      post("remember", { next: told }, function (kept) {
        told = kept.next;
        next(told);
        refresh();
      });
    }
  });
  // Each page begins at the usual height and then says its own: else a short page after a long one would stay long.
  if (frame) frame.addEventListener("load", function () { frame.style.height = ""; });
  find("[data-again]").addEventListener("click", function () {
    silent(false);
    if (frame) frame.src = frame.getAttribute("src");
    probe();
    refresh();
  });
  root.querySelectorAll("time[data-when]").forEach(function (place) {
    var when = new Date(place.getAttribute("datetime"));
    if (!isNaN(when)) place.textContent = when.toLocaleString(document.documentElement.lang || undefined, { dateStyle: "medium", timeStyle: "short" });
  });
  document.addEventListener("visibilitychange", refresh);
  window.addEventListener("focus", refresh);
  setInterval(refresh, EVERY);
  refresh();
  probe();
}
window.NengliCard = NengliCard;
