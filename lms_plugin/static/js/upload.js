// Files in parts by the core of the tus protocol (creation, offset, patch): a cut line costs one part, a killed page
// nothing but choosing the same file again. Without script the plain form sends the file whole.
const { each, headers, kept, words, fingerprint, use, again } = nengli;
const PART = 4 * 1024 * 1024;
const STALLED = 90_000; // no byte moved for so long: the line is dead even if nobody says so
const TUS = { "Tus-Resumable": "1.0.0" };

class Stop extends Error {} // trying again cannot help; message = what to show
class Gone extends Error {} // the server knows the upload no more: begin anew

const base64 = (text) => btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
const wait = (ms) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    window.addEventListener("online", () => (clearTimeout(timer), done()), { once: true });
  });

/** One request; progress by bytes sent. Rejects with Error where the line is cut, answers with status and headers else. */
function send(method, url, { head = {}, body = null, moved = () => {}, stop }) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    let timer = setTimeout(() => request.abort(), STALLED);
    request.open(method, url);
    for (const [name, value] of Object.entries(headers({ ...TUS, Accept: "application/json", ...head }))) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), STALLED);
      moved(event.loaded);
    };
    const end = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", cut);
    };
    const cut = () => request.abort();
    stop.addEventListener("abort", cut);
    request.onload = () => (end(), done(request));
    request.onerror = request.onabort = () => (end(), fail(new Error("line")));
    request.send(body);
  });
}

/** What the server says of a refusal: its code and its sentence (the bare status where something else answered). */
function refusal(request) {
  try {
    const { error, message } = JSON.parse(request.responseText);
    return { code: error ?? "", why: message ?? String(request.status) };
  } catch {
    return { code: "", why: String(request.status) };
  }
}

/** Statuses that end the attempt; what is left (5xx, 423, 429) is worth another try. */
function check(request, text) {
  const { status } = request;
  if (status < 400) return request;
  if (status === 401 || status === 403) throw new Stop(text.tSession);
  if (status === 404 || status === 410) throw new Gone();
  const { code, why } = refusal(request);
  const passes = [408, 423, 425, 429].includes(status) || (status === 409 && !/^(submit|session)\./.test(code));
  if (status < 500 && !passes) throw new Stop(words(text.tFailed, { why }));
  throw new Error(String(status));
}

each("form.ways", (form) => {
  form.classList.add("live");
  const input = form.closest("[data-upload]") ? null : form.querySelector("[data-file]");
  input?.addEventListener("change", () => form.requestSubmit());
  if (input?.files.length) form.requestSubmit();
});

let running = 0; // uploads in all places of this page
let arrived = false; // something came that the page does not show yet

each("[data-upload]", (slot) => {
  const input = slot.querySelector("[data-file]");
  if (!input) return;
  const text = slot.dataset;
  const box = slot.querySelector("[data-up]");
  const said = slot.querySelector("[data-up-words]");
  const bar = slot.querySelector("[data-up-bar]");
  const cancel = slot.querySelector("[data-up-cancel]");
  const place = `nengli:tus:${fingerprint}:${text.slot}:`;
  const nameOf = (file) => `${place}${file.name}:${file.size}:${file.lastModified}`;
  const toldAt = `nengli:told:${fingerprint}:${text.slot}`; // what did not arrive, over the reload that shows what did
  let queue = [];
  let refused = []; // sentences of this choice: one bad file must not take the good ones with it
  let taken = 0; // how many of this choice went before: the server keeps what it said of them
  let stop = null;
  let busy = false;

  if (/MicroMessenger/i.test(navigator.userAgent)) input.removeAttribute("accept"); // its chooser hides files otherwise

  function tell(sentence, share = null, failed = false) {
    box.hidden = false;
    said.classList.toggle("error", failed);
    if (said.textContent !== sentence) said.textContent = sentence;
    bar.hidden = share === null;
    if (share !== null) bar.value = share;
  }

  async function create(file) {
    const meta = { filename: file.name, filetype: file.type || "application/octet-stream", slot: text.slot };
    if (taken) meta.more = "1";
    const head = {
      "Upload-Length": String(file.size),
      "Upload-Metadata": Object.entries(meta).map(([name, value]) => `${name} ${base64(value)}`).join(","),
    };
    const made = check(await send("POST", text.upload, { head, stop: stop.signal }), text);
    const there = new URL(made.getResponseHeader("Location"), location.href);
    const url = there.pathname + there.search; // our own host by the name the browser knows, whatever a proxy says
    kept.set(nameOf(file), { url, name: file.name, at: Date.now() });
    return { url, offset: 0 };
  }

  async function find(file) {
    const known = kept.get(nameOf(file));
    if (!known) return create(file);
    const answer = check(await send("HEAD", known.url, { stop: stop.signal }), text);
    return { url: known.url, offset: Number(answer.getResponseHeader("Upload-Offset")) };
  }

  /** The whole file, part by part; returns when the server has its last byte. */
  async function travel(file) {
    const total = Math.max(1, Math.ceil(file.size / PART));
    let at = null;
    let tries = 0;
    for (;;) {
      const n = Math.min(total, Math.floor((at?.offset ?? 0) / PART) + 1);
      try {
        if (!at) {
          at = await find(file);
          if (at.offset > 0) tell(words(text.tResume, { left: total - Math.floor(at.offset / PART) }), at.offset / file.size);
        }
        if (at.offset >= file.size) return;
        const part = file.slice(at.offset, Math.min(file.size, at.offset + PART));
        const sentence = words(text.tPart, { n: Math.min(total, Math.floor(at.offset / PART) + 1), total });
        const from = at.offset;
        tell(sentence, from / file.size);
        const answer = check(
          await send("PATCH", at.url, {
            head: { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(from) },
            body: part,
            moved: (bytes) => tell(sentence, (from + bytes) / file.size),
            stop: stop.signal,
          }),
          text,
        );
        at.offset = Number(answer.getResponseHeader("Upload-Offset"));
        tries = 0;
      } catch (error) {
        if (stop.signal.aborted || error instanceof Stop) throw error;
        if (error instanceof Gone) kept.drop(nameOf(file));
        at = null; // ask the server how far it got
        tries += 1;
        if (error.message !== "line" && tries > 8) throw new Stop(words(text.tFailed, { why: error.message }));
        if (error.message === "line") tell(words(text.tWait, { n }), bar.value);
        await wait(Math.min(15_000, 1000 * 2 ** Math.min(tries, 4)));
        if (stop.signal.aborted) throw error;
      }
    }
  }

  async function run() {
    if (busy) return;
    busy = true;
    let sent = false;
    let lock = null;
    running += 1;
    use(slot);
    try {
      lock = await navigator.wakeLock?.request("screen");
    } catch {
      /* frames may not; the upload goes on all the same */
    }
    while (queue.length) {
      const file = queue.shift();
      stop = new AbortController();
      cancel.hidden = false;
      try {
        await travel(file);
        kept.drop(nameOf(file));
        sent = true;
      } catch (error) {
        if (stop.signal.aborted) {
          const known = kept.get(nameOf(file));
          kept.drop(nameOf(file));
          if (known) fetch(known.url, { method: "DELETE", headers: headers(TUS) }).catch(() => {});
          box.hidden = true;
        } else if (error.message === text.tSession) {
          queue = []; // nobody is signed in: the others would fare no better
          refused.push(error.message);
        } else refused.push(`${file.name}\u2003${error.message}`);
      }
      taken += 1;
      cancel.hidden = true;
    }
    const failed = refused.join(" · ");
    [stop, busy, refused, taken] = [null, false, [], 0];
    input.value = "";
    lock?.release().catch(() => {});
    running -= 1;
    arrived ||= sent;
    if (failed) tell(failed, null, true);
    if (sent && !failed) tell(text.tDone, 1);
    const stays = failed && (arrived || running) && !kept.set(toldAt, failed); // what is said here alone
    if (arrived && !stays && slot.isConnected) {
      if (text.refresh) globalThis.htmx.ajax("GET", text.refresh, { target: slot, swap: "outerHTML" });
      else again();
      arrived = running > 0;
    }
    use(slot, false);
  }

  function add(files) {
    queue.push(...files);
    run();
  }

  input.addEventListener("change", () => add(input.files));
  // This script comes after the page, on a slow line well after: a quick hand may have chosen a file already.
  if (input.files.length) add(input.files);
  cancel.addEventListener("click", () => stop?.abort());
  slot.addEventListener("dragover", (event) => {
    event.preventDefault();
    slot.classList.add("over");
  });
  slot.addEventListener("dragleave", () => slot.classList.remove("over"));
  slot.addEventListener("drop", (event) => {
    event.preventDefault();
    slot.classList.remove("over");
    add(event.dataTransfer.files);
  });

  const told = kept.get(toldAt);
  if (told) {
    tell(told, null, true);
    cancel.hidden = true;
    kept.drop(toldAt);
  }

  // What a killed page left behind: only the file itself is missing, the server has the rest.
  const left = kept.keys(place).map((key) => kept.get(key)).filter(Boolean);
  if (left.length && !told) {
    tell(words(text.tAgain, { name: left[0].name }));
    cancel.hidden = true;
  }
});
