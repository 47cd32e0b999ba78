// A draft is never more than three seconds old. Until the server says that it has it, a copy stays on this device, so
// that a cut line, an expired session, a refusal or a killed page loses nothing. `data-autosave` saves to that address;
// `data-keep` (a name for the copy) is for forms that only their button sends: they are kept on this device alone.
const { each, headers, kept, words, fingerprint, use } = nengli;
const PAUSE = 1500;
const LONGEST = 3000;
const RETRY = 5000;
const PRIVATE = new Set(["csrf_token", "fingerprint", "version", "base", "number", "copy"]);

each("form[data-autosave], form[data-keep]", (form) => {
  const url = form.dataset.autosave ?? form.dataset.keep;
  const remote = "autosave" in form.dataset;
  const key = `nengli:draft:${fingerprint}:${form.id}:${url}`;
  const line = form.querySelector("[data-saved]") ?? document.querySelector("[data-saved]");
  const versionField = form.elements.namedItem("version");
  if (remote) form.classList.add("live"); // "save" buttons are for browsers that do not come this far
  let first = 0; // when the oldest change that the server does not have was made; 0 = none
  let timer = 0;
  let busy = false;
  let stopped = false;
  let waiting = null; // a submit that waits for a save under way

  const say = (name, values) => {
    if (line) line.textContent = words(line.dataset[name], values);
  };
  const content = () =>
    [...new FormData(form)].filter(([name, value]) => typeof value === "string" && !PRIVATE.has(name));
  const same = (one, two) => JSON.stringify(one) === JSON.stringify(two);
  const seen = () => ["version", "base", "number"].map((name) => form.elements.namedItem(name)?.value ?? "").join(":");
  const keep = (more = {}) =>
    kept.set(key, { at: Date.now(), url, version: versionField?.value, seen: seen(), content: content(), ...more });
  const body = () => new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string"));

  function put(entries) {
    const values = new Map();
    for (const [name, value] of entries) values.set(name, [...(values.get(name) ?? []), value]);
    for (const field of form.elements) {
      if (!field.name || PRIVATE.has(field.name) || ["file", "submit", "button", "hidden"].includes(field.type)) continue;
      if (field.type === "checkbox" || field.type === "radio") field.checked = (values.get(field.name) ?? []).includes(field.value);
      else if (field.tagName !== "FIELDSET" && values.get(field.name)?.length) field.value = values.get(field.name).shift();
    }
  }

  function changed() {
    if (form.dataset.dropped) return;
    use(form);
    const safe = keep();
    if (stopped) return;
    if (!remote) return void (safe && say("tKept"));
    const now = Date.now();
    first ||= now;
    clearTimeout(timer);
    timer = setTimeout(save, Math.max(0, Math.min(PAUSE, first + LONGEST - now)));
  }

  function done() {
    busy = false;
    const submit = waiting;
    waiting = null;
    submit?.();
  }

  async function save() {
    clearTimeout(timer);
    if (busy || stopped || !first) return;
    busy = true;
    const sent = content();
    const since = first;
    first = 0;
    say("tSaving");
    let answer;
    try {
      const sending = body();
      answer = await fetch(url, {
        method: "POST",
        body: sending,
        keepalive: sending.toString().length < 60000, // what a leaving page may send; else the copy on the device keeps it
        headers: headers({ Accept: "application/json", "X-Nengli-Autosave": "1" }),
        credentials: "same-origin",
      });
      if (answer.status >= 500) throw new Error(String(answer.status));
    } catch {
      first = since;
      done();
      say("tOffline");
      timer = setTimeout(save, RETRY);
      return;
    }
    if (answer.ok && !answer.redirected) {
      const { version, saved_at: at } = await answer.json();
      beside({});
      if (versionField && version !== undefined) versionField.value = version;
      say("tSaved", { time: /T(\d\d:\d\d)/.exec(at ?? "")?.[1] ?? new Date().toTimeString().slice(0, 5) });
      if (same(sent, content())) {
        first = 0;
        kept.drop(key);
        use(form, false);
      } else changed();
      form.dispatchEvent(new CustomEvent("nengli:saved", { bubbles: true }));
      done();
      return;
    }
    first = since;
    busy = false;
    waiting = null;
    stopped = ![413, 422].includes(answer.status);
    if ([409, 413, 422].includes(answer.status)) await told(answer);
    else say("tSession");
  }

  // Both versions, as the server shows them; nothing more is sent until the person has chosen. A refusal in words
  // (JSON) is shown in the line instead.
  async function told(answer) {
    const place = form.querySelector("[data-conflict]") ?? document.querySelector("[data-conflict]");
    say("tRefused");
    if (/json/.test(answer.headers.get("Content-Type") ?? "")) {
      const { message, fields } = await answer.json().catch(() => ({}));
      if (line && message) line.textContent = message;
      beside(fields ?? {});
    } else if (answer.status === 409 && place) {
      place.innerHTML = await answer.text();
      globalThis.htmx?.process(place);
      place.tabIndex = -1;
      place.focus();
    }
  }

  /** What the server says of single fields, beside them; nothing for those that are right again. */
  function beside(fields) {
    for (const old of form.querySelectorAll("[data-told]")) old.remove();
    for (const [name, sentence] of Object.entries(fields)) {
      const field = form.elements.namedItem(name);
      if (!(field instanceof Element)) continue;
      const told = document.createElement("p");
      told.className = "error";
      told.dataset.told = "";
      told.textContent = sentence;
      field.after(told);
    }
  }

  const copy = kept.get(key);
  if (copy?.sent && copy.sent === document.body.dataset.posted) {
    changed(); // this page answers the form: it shows what was sent and not taken, with the version to go on from
  } else if (copy && !same(copy.content, content())) {
    const isOlder = copy.seen !== seen();
    put(copy.content);
    if (versionField && copy.version !== undefined) versionField.value = copy.version; // if older: answered with both
    say(isOlder && !remote ? "tRestoredOlder" : "tRestored");
    if (remote) changed();
    form.dispatchEvent(new Event("change", { bubbles: true }));
  } else {
    kept.drop(key);
    if ("touched" in form.dataset) changed(); // before this script came
  }

  // "Use the saved one": the copy has been weighed and found wanting; it must not come back on the next page.
  form.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theirs]")) return;
    form.dataset.dropped = "1";
    stopped = true;
    kept.drop(key);
  });

  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  form.addEventListener(
    "submit",
    (event) => {
      clearTimeout(timer);
      if (busy) {
        // The version in the form is about to change: let the save come back, then submit.
        event.preventDefault();
        event.stopImmediatePropagation();
        waiting = () => form.requestSubmit(event.submitter);
        return;
      }
      const name = crypto.getRandomValues(new Uint32Array(3)).join("-");
      const sent = form.querySelector("input[name=copy]") ?? form.appendChild(Object.assign(document.createElement("input"), { type: "hidden", name: "copy" }));
      sent.value = name;
      keep({ sent: name });
      first = 0; // the form itself carries everything now
    },
    true,
  );
  window.addEventListener("online", save);
  window.addEventListener("pagehide", save);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") save();
  });
});
