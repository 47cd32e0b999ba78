// A browser that keeps no cookie in a host's frame can still prove at the launch that it began the login, where the host
// lends its own storage (1EdTech LTI postMessage Storage): the login's page puts a secret there, the launch's page gets it.
// Only the origin that the registration names hears us and is heard. No answer, or a "no": on without it.
const PATIENCE = 1000; // ms for each question

const place = document.querySelector("[data-remember], [data-recall]");
const { target, origin, key } = place.dataset;

/** The frame that keeps the values: the host's page itself, or one beside ours; null where there is none. */
function keeper() {
  if (window.parent === window) return null;
  try {
    const found = target === "_parent" ? window.parent : window.parent.frames[target];
    return typeof found?.postMessage === "function" ? found : null;
  } catch {
    return null; // no frame of that name: the browser says so by an error
  }
}

const frame = keeper();

/** Asks the keeper; its answer, or null when it gave none in time. */
const say = async (subject, more) => frame && nengli.host.ask(frame, origin, subject, PATIENCE, more);

/** Whether the host's own list leaves the message out; a host that gives no list may understand it all the same. */
const lacks = async (subject) => frame && (await nengli.host.understands(frame, origin, PATIENCE))?.has(subject) === false;

if ("remember" in place.dataset) {
  const value = place.dataset.remember;
  delete place.dataset.remember; // the secret has no business in the page once it has been read
  if (!(await lacks("lti.put_data"))) await say("lti.put_data", { key, value });
  window.location.replace(place.dataset.go);
} else {
  let sent = false;
  place.addEventListener("submit", (event) => {
    if (sent) event.preventDefault(); // pressed meanwhile: the launch is on its way
    sent = true;
  });
  const { value } = (await say("lti.get_data", { key })) ?? {};
  if (!sent && typeof value === "string") {
    sent = true;
    await prove(value);
    sent = false;
  } else if (!sent) place.requestSubmit();
}

/** The launch goes on with its proof, in a header that no other site can send, and without a step in the history. */
async function prove(value) {
  const body = new URLSearchParams(new FormData(place));
  const answer = await fetch(place.action, { method: "POST", body, headers: { "X-Nengli-Proof": value } }).catch(() => null);
  if (!answer) return; // the line is cut: the button stays
  if (answer.ok) {
    const { bearer, home } = await answer.json();
    if (bearer) nengli.enter(bearer, home);
    else window.location.replace(home); // a launch that names nobody: its page needs no session
    return;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.body.replaceWith(document.adoptNode(page.body)); // why it was refused
}
