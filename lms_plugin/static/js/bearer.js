// What a tab in a host's frame cannot do by plain addresses: without cookie, pictures and films of evidence come by fetch;
// with or without, whatever opens elsewhere (downloads, new windows: there is no cookie of this frame) goes through a
// single-use address that lives a minute.
const LARGEST = 80 * 1024 * 1024; // more is not held in memory; the page's own link opens it in a window
const framed = window.parent !== window;

nengli.each('img[src^="/"], source[src^="/"], audio[src^="/"]', async (one) => {
  const src = one.getAttribute("src");
  if (!nengli.borne || src.startsWith("/static/")) return;
  const answer = await fetch(src, { headers: nengli.headers() }).catch(() => null);
  if (!answer?.ok || Number(answer.headers.get("Content-Length") ?? 0) > LARGEST) return;
  one.src = URL.createObjectURL(await answer.blob());
  one.closest("video, audio")?.load();
});

/** Whether following the link so opens a tab of its own: by what the link says, or by the key that is held. */
const isApart = (event, link) => link.target === "_blank" || event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey;

/** Whether following the link so leaves what this frame's page can reach. */
const leaves = (event, link) => (isApart(event, link) ? nengli.borne || framed : nengli.borne && link.getAttribute("hx-boost") === "false");

/** Brings a file that the server gives as one (a sheet) and saves it: a tab opened for it would stay behind, empty. */
async function save(link) {
  if (link.ariaBusy) return; // clicked twice: it is on its way
  link.ariaBusy = "true";
  try {
    const answer = await fetch(link.href, { headers: nengli.headers() });
    const named = /filename\*=UTF-8''([^;]+)|filename="?([^";]+)/i.exec(answer.headers.get("Content-Disposition") ?? "");
    if (!answer.ok || !named || Number(answer.headers.get("Content-Length") ?? 0) > LARGEST) {
      answer.body?.cancel().catch(() => {}); // else it would go on coming beside the window's own
      return void open(link);
    }
    const file = document.createElement("a");
    file.href = URL.createObjectURL(await answer.blob());
    file.download = decodeURIComponent(named[1] ?? named[2]);
    file.click();
    setTimeout(URL.revokeObjectURL, 60_000, file.href);
  } catch {
    open(link);
  } finally {
    link.ariaBusy = null;
  }
}

/** Opens the link in a window of its own; where it gets no ticket, the link's own page or the browser says why. */
async function open(link) {
  const window_ = window.open("", "_blank"); // now, while the click still counts
  const body = new URLSearchParams({ target: link.getAttribute("href") });
  const ask = { method: "POST", body, headers: nengli.headers({ Accept: "application/json" }) };
  const said = await fetch("/lti/tickets", ask).then((answer) => answer.json()).catch(() => ({}));
  (window_ ?? window).location = said.url ?? link.href;
}

function follow(event) {
  const link = event.button < 2 ? event.target.closest?.('a[href^="/"]') : null;
  if (!link || !leaves(event, link)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (nengli.borne && "attached" in link.dataset && !isApart(event, link)) save(link);
  else open(link);
}
for (const name of ["click", "auxclick"]) document.addEventListener(name, follow, true);
