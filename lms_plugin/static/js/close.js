// The platform closes its registration dialogue when it is told so; that platform alone is told.
nengli.each("button[data-close]", (button) => {
  const host = window.opener ?? (window.parent === window ? null : window.parent);
  if (!host) return;
  button.hidden = false;
  button.addEventListener("click", () => host.postMessage({ subject: "org.imsglobal.lti.close" }, button.dataset.close));
});
