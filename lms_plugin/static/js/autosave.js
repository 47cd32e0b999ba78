// A draft is never more than three seconds old. Until the server has it, a copy stays on this device, so that a cut
// line, an expired session or a killed page loses nothing.
const { each, headers, kept, words, fingerprint } = nengli;
const PAUSE = 1500;
const LONGEST = 3000;
const RETRY = 5000;
const PRIVATE = new Set(["csrf_token", "fingerprint", "version"]);

each("form[data-autosave]", (form) => {
  const url = form.dataset.autosave;
  const key = `nengli:draft:${fingerprint}:${form.id}:${url}`;
  const line = form.querySelector("[data-saved]") ?? document.querySelector("[data-saved]");
  const versionField = form.elements.namedItem("version");
  form.classList.add("live"); // "save" buttons are for browsers that do not come this far
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
  const keep = (more = {}) => kept.set(key, { at: Date.now(), url, version: versionField?.value ?? "", content: content(), ...more });
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
    if (stopped) return;
    const now = Date.now();
    first ||= now;
    keep();
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
      if (versionField && version !== undefined) versionField.value = version;
      say("tSaved", { time: /T(\d\d:\d\d)/.exec(at ?? "")?.[1] ?? new Date().toTimeString().slice(0, 5) });
      if (same(sent, content())) {
        first = 0;
        kept.drop(key);
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
      const { message } = await answer.json().catch(() => ({}));
      if (line && message) line.textContent = message;
    } else if (answer.status === 409 && place) {
      place.innerHTML = await answer.text();
      globalThis.htmx?.process(place);
      place.tabIndex = -1;
      place.focus();
    }
  }

  const copy = kept.get(key);
  if (copy && !copy.sent && !same(copy.content, content())) {
    put(copy.content);
    if (versionField && copy.version) versionField.value = copy.version; // older than the server's: it answers with both
    say("tRestored");
    changed();
    form.dispatchEvent(new Event("change", { bubbles: true }));
  } else kept.drop(key);

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
      keep({ sent: true });
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
