// MathJax reads this when it starts. Without scripts a page shows the LaTeX itself.
window.MathJax = {
  tex: {
    inlineMath: [["$", "$"], ["\\(", "\\)"]],
    displayMath: [["$$", "$$"], ["\\[", "\\]"]],
    processEscapes: true,
    tags: "none",
    packages: { "[-]": ["autoload", "require"] },
  },
  svg: { fontCache: "local" },
  options: {
    skipHtmlTags: ["script", "noscript", "style", "textarea", "pre", "code"],
    ignoreHtmlClass: "no-maths",
    enableMenu: false,
    enableAssistiveMml: true,
  },
  startup: { pageReady: () => MathJax.startup.defaultPageReady().then(markScrolling) },
};
