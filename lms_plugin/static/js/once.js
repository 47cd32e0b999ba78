// A form whose second sending would meet a used-up token: a double click sends it once. Back brings it to life again.
nengli.each("form[data-once]", (form) => {
  let sent = false;
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  window.addEventListener("pageshow", () => (sent = false));
});
