// The filters of a browser of rows. Without it the page lists all its rows.
for (const browser of document.querySelectorAll(".browse")) {
  const form = browser.querySelector("form");
  const rows = [...browser.querySelectorAll("li")];
  const texts = rows.map((row) => row.textContent.normalize("NFKC").toLowerCase());
  const update = () => {
    const words = form.elements.words.value.normalize("NFKC").toLowerCase().split(/\s+/);
    const chosen = [...form.querySelectorAll("select")].filter((select) => select.value);
    let shown = 0;
    rows.forEach((row, i) => {
      const fits = words.every((word) => texts[i].includes(word)) &&
        chosen.every((select) => row.dataset[select.name].split(" ").includes(select.value));
      row.hidden = !fits;
      shown += fits;
    });
    form.querySelector("output").textContent = `${shown} of ${rows.length} rows`;
  };
  form.addEventListener("input", update);
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  update();
}
