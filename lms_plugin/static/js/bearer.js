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

/** Whether following the link so leaves this frame's page: by what the link says, or by the key that is held. */
function leaves(event, link) {
  const apart = link.target === "_blank" || event.button === 1 || event.ctrlKey || event.metaKey || event.shiftKey;
  if (apart) return nengli.borne || framed;
  return nengli.borne && (link.hasAttribute("download") || link.getAttribute("hx-boost") === "false");
}

async function follow(event) {
  const link = event.button < 2 ? event.target.closest?.('a[href^="/"]') : null;
  if (!link || !leaves(event, link)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const window_ = window.open("", "_blank"); // now, while the click still counts
  const body = new URLSearchParams({ target: link.getAttribute("href") });
  try {
    const answer = await fetch("/lti/tickets", { method: "POST", body, headers: nengli.headers({ Accept: "application/json" }) });
    const { url } = await answer.json();
    if (window_) window_.location = url;
    else window.location = url;
  } catch {
    window_?.close();
  }
}
for (const name of ["click", "auxclick"]) document.addEventListener(name, follow, true);
