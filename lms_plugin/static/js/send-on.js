// A page whose one form belongs to another site (the answer to a host): sent by itself, once; the button stays for
// whoever comes back to it.
const SENT = "nengli:sent-on";
nengli.each("form[data-send-on]", (form) => {
  const mark = `${SENT}:${location.pathname}:${form.dataset.sendOn}`;
  try {
    if (sessionStorage.getItem(mark)) return;
    sessionStorage.setItem(mark, "1");
  } catch {
    // storage is closed to this frame: sent all the same
  }
  form.requestSubmit();
});
