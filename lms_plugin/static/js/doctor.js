// Which way in this browser has, tried for real: a cookie as a launch sets it, the host's storage, the tab's own memory.
const PATIENCE = 1500; // ms for the host's answer

/** Whether the host says that it lends its storage (1EdTech LTI postMessage Storage). */
async function storage() {
  const origin = document.body.dataset.platformOrigin;
  if (!origin || window.parent === window) return false;
  const known = await nengli.host.understands(window.parent, origin, PATIENCE);
  return Boolean(known?.has("lti.put_data") && known.has("lti.get_data"));
}

/** Whether a cookie that one request sets comes with the next. */
async function cookie() {
  const ask = async () => (await fetch("/doctor/cookie", { headers: nengli.headers() })).json();
  await ask();
  return (await ask()).came === true;
}

function tab() {
  try {
    sessionStorage.setItem("nengli-probe", "1");
    return sessionStorage.getItem("nengli-probe") === "1";
  } catch {
    return false; // memory then lasts as long as the page
  } finally {
    try {
      sessionStorage.removeItem("nengli-probe");
    } catch {
      // refused as before
    }
  }
}

nengli.each("[data-browser-probe]", async (list) => {
  const found = { cookie: await cookie().catch(() => false), storage: await storage(), bearer: tab() };
  for (const [name, works] of Object.entries(found)) {
    const words = document.querySelector(`template[data-probe="${works ? "good" : "note"}"]`);
    list.querySelector(`[data-result="${name}"]`).replaceChildren(words.content.cloneNode(true));
  }
  const way = found.cookie ? "cookie" : found.storage ? "storage" : found.bearer ? "bearer" : "window";
  const words = document.querySelector("[data-browser-words]");
  words.textContent = words.dataset[`t${way[0].toUpperCase()}${way.slice(1)}`];
  words.dataset.way = way;
});
