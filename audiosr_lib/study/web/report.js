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

// The contents mark where the reader is: the last heading that has reached the upper third of the window.
function markPlace() {
  const links = [...document.querySelectorAll(".contents.wide a")];
  let here = null;
  for (const link of links) {
    const target = document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (target && target.getBoundingClientRect().top < innerHeight / 3) here = link;
  }
  for (const link of links) {
    if (link !== here) link.removeAttribute("aria-current");
    else if (!link.hasAttribute("aria-current")) {
      link.setAttribute("aria-current", "location");
      const box = link.closest("nav"); // a long list follows, the page itself does not move
      if (box.scrollHeight > box.clientHeight) box.scrollTop = link.offsetTop - box.clientHeight / 2;
    }
  }
}
let asked = 0;
function markPlaceSoon() {
  cancelAnimationFrame(asked);
  asked = requestAnimationFrame(markPlace);
}
addEventListener("scroll", markPlaceSoon, { passive: true });
for (const event of ["load", "resize"]) addEventListener(event, markPlaceSoon);
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
