// The sentence at the foot of the choosing page follows the boxes; the server decides in the end.
nengli.each("form[data-choose]", (form) => {
  const said = form.querySelector("[data-choose-words]");
  const need = Number(form.dataset.need);
  const groups = Number(form.dataset.groups);
  const tell = () => {
    const chosen = [...form.querySelectorAll("input[data-code]:checked")];
    const n = chosen.length;
    const far = new Set(chosen.map((box) => box.dataset.group)).size;
    const text = form.dataset;
    let sentence = text.tReady;
    if (n === 0) sentence = text.tNone;
    else if (n > need) sentence = text.tOver;
    else if (n < need) sentence = far < groups && need - n <= groups - far ? text.tShortGroup : text.tShort;
    else if (far < groups) sentence = text.tGroup;
    const codes = chosen.map((box) => box.dataset.code).join(" ");
    said.textContent = nengli.words(sentence, { n, codes, left: need - n, over: n - need, need });
  };
  form.addEventListener("change", tell);
  form.addEventListener("reset", () => setTimeout(tell));
  tell(); // Back brings boxes as they were left
});
