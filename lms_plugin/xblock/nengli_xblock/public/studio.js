/* The form in Studio: a window to choose in, what was chosen there, save. */
/* global $ */
function NengliStudio(runtime, element) {
  "use strict";
  var root = $(element).find(".nengli-studio").addBack(".nengli-studio").get(0), form = root.querySelector("form");
  var shown = root.querySelector("[data-chosen]"), errors = root.querySelector("[data-errors]");
  var before = null, timer = 0, EVERY = 2000, LONGEST = 600000, began = 0;
  var NAMES = { programme: "programme", view: "view", point: "point", chosen_title: "title" };

  function post(handler, data) {
    return $.ajax({ type: "POST", url: runtime.handlerUrl(element, handler), data: JSON.stringify(data), contentType: "application/json" });
  }
  function look() {
    return post("chosen", {}).then(function (answer) { return answer.chosen; });
  }
  function stop() { clearInterval(timer); timer = 0; }
  function take(chosen) {
    if (!chosen) return;
    Object.keys(NAMES).forEach(function (name) { form.elements[name].value = chosen[NAMES[name]]; });
    shown.textContent = chosen.title || shown.dataset.none;
  }
  function poll() {
    if (!document.contains(root) || Date.now() - began > LONGEST) return stop();
    look().then(function (chosen) {
      if (timer && chosen && JSON.stringify(chosen) !== before) { before = JSON.stringify(chosen); take(chosen); }
    });
  }
  root.querySelector(".nengli-choose").addEventListener("click", function () {
    // What was chosen last time is known first, so that the same choice again is no news and another one is.
    began = Date.now();
    stop();
    look().then(function (chosen) { before = chosen && form.elements.programme.value ? JSON.stringify(chosen) : null; timer = setInterval(poll, EVERY); });
  });
  function save(event) {
    event.preventDefault();
    errors.hidden = true;
    if (runtime.notify) runtime.notify("save", { state: "start", message: root.dataset.saving });
    var data = { accept_grades_past_due: form.elements.accept_grades_past_due.checked };
    ["display_name", "weight", "programme", "view", "point", "chosen_title"].forEach(function (name) { data[name] = form.elements[name].value; });
    post("submit_studio_edits", data).done(function () {
      stop();
      root.dataset.saved = "1";
      if (runtime.notify) runtime.notify("save", { state: "end" });
    }).fail(function (answer) {
      var wrong = (answer.responseJSON || {}).error;
      var words = wrong && typeof wrong === "object" ? Object.keys(wrong).map(function (key) { return wrong[key]; }).join(" ") : wrong || answer.statusText;
      errors.textContent = root.dataset.failed + " " + words;
      errors.hidden = false;
      if (runtime.notify) runtime.notify("error", { title: root.dataset.failed, message: words });
    });
  }
  root.querySelector(".save-button").addEventListener("click", save);
  form.addEventListener("submit", save);
  root.querySelector(".cancel-button").addEventListener("click", function (event) {
    event.preventDefault();
    stop();
    if (runtime.notify) runtime.notify("cancel", {});
  });
}
window.NengliStudio = NengliStudio;
