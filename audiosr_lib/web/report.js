// An equation in a line that is longer than the line becomes a box that scrolls. What scrolls sideways can be reached with the
// keyboard; what does not stays out of its way.
function markScrolling() {
  for (const equation of document.querySelectorAll("mjx-container:not([display])")) {
    const line = equation.closest("p, li, h2, h3, h4, .scroll");
    if (!line || line.matches(".scroll")) continue;
    equation.classList.remove("long");
    equation.classList.toggle("long", equation.getBoundingClientRect().width > line.clientWidth);
  }
  for (const box of document.querySelectorAll("pre, .scroll, mjx-container[display], mjx-container.long")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
addEventListener("load", markScrolling);
addEventListener("resize", markScrolling);

// The record's files lie beside report/. Where report/ was handed over alone, its own copies stand in.
function takeCopies(image) {
  image.onerror = null;
  for (const link of image.closest("figure").querySelectorAll("a[href^='../']")) {
    link.href = link.getAttribute("href").replace("../", "figures/");
  }
  image.src = image.getAttribute("src").replace("../", "figures/");
}
