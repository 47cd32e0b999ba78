// What is typed or ticked before the page's scripts have come (a slow line) is not lost on them: its form says so to autosave.js.
for (const name of ["input", "change"]) document.addEventListener(name, ({ target }) => target.form?.setAttribute("data-touched", ""), true);
