// Frames have no clipboard: a field to copy from selects itself.
for (const name of ["focusin", "click"]) {
  document.addEventListener(name, (event) => {
    if (event.target.matches?.("[data-select-all]")) event.target.select();
  });
}
