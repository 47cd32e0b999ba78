// Speeds of a film; the chosen one holds for the next film of the page too.
let rate = "1";
nengli.each("[data-player]", (player) => {
  const film = player.querySelector("video");
  const buttons = [...player.querySelectorAll("[data-speed]")];
  const set = (speed) => {
    rate = speed;
    film.defaultPlaybackRate = Number(speed);
    film.playbackRate = Number(speed);
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.speed === speed));
  };
  for (const button of buttons) button.addEventListener("click", () => set(button.dataset.speed));
  player.querySelector(".speeds").hidden = false;
  set(rate);
});
