// A form whose second sending would meet a used-up token: a double click sends it once. Back brings it to life again, and
// where it opens a window of its own, some seconds do: that window may have been closed. `data-back`: the page is itself an
// answer to a form, where Back would meet a dead one; in the history it gives way to that address.
nengli.each("form[data-once]", (form) => {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) return void event.preventDefault();
    sent = true;
    if (form.target) setTimeout(() => (sent = false), 3000);
    if (form.dataset.back) history.replaceState(history.state, "", form.dataset.back);
  });
  window.addEventListener("pageshow", () => (sent = false));
});
