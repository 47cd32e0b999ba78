// What a tab without cookie cannot do by plain addresses: pictures and films of evidence come by fetch, and whatever
// opens elsewhere (downloads, new windows) goes through a single-use address that lives a minute.
const LARGEST = 80 * 1024 * 1024; // more is not held in memory; the page's own link opens it in a window

nengli.each('img[src^="/"], source[src^="/"]', async (one) => {
  const src = one.getAttribute("src");
  if (!nengli.borne || src.startsWith("/static/")) return;
  const answer = await fetch(src, { headers: nengli.headers() }).catch(() => null);
  if (!answer?.ok || Number(answer.headers.get("Content-Length") ?? 0) > LARGEST) return;
  one.src = URL.createObjectURL(await answer.blob());
  one.closest("video")?.load();
});

document.addEventListener(
  "click",
  async (event) => {
    const link = event.target.closest?.('a[href^="/"]');
    if (!link || !nengli.borne) return;
    if (!link.hasAttribute("download") && link.target !== "_blank" && link.getAttribute("hx-boost") !== "false") return;
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
  },
  true,
);
