// A form whose second sending would meet a used-up token: a double click sends it once. Back brings it to life again, and
// where it opens a window of its own, some seconds do: that window may have been closed.
nengli.each("form[data-once]", (form) => {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) return void event.preventDefault();
    sent = true;
    if (form.target) setTimeout(() => (sent = false), 3000);
  });
  window.addEventListener("pageshow", () => (sent = false));
});

// A page that Back must not meet again (an answer to a form, or a form that is done with by then): once its form is sent, it
// gives way in the history to this address. Where htmx sends the form, `hx-replace-url` does it.
nengli.each("form[data-back]", (form) => {
  form.addEventListener("submit", (event) => {
    if (!event.defaultPrevented && !nengli.borne) history.replaceState(history.state, "", form.dataset.back);
  });
});
