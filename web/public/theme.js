// Runs before the first paint: a person who chose a theme never sees the other one flash by.
(function () {
  try {
    var theme = localStorage.getItem("chatify.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (_) {
    // Storage is closed to us (private mode): the system's theme holds.
  }
})();
