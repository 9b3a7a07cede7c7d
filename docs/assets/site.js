// What is wider than the page is scrolled by keyboard too: code (the theme gives that up where there is no mouse) ...
for (const code of document.querySelectorAll("pre > code")) {
  const keep = () => code.hasAttribute("tabindex") || code.setAttribute("tabindex", "0");
  new MutationObserver(keep).observe(code, { attributeFilter: ["tabindex"] });
  keep();
}
addEventListener("load", () => {
  // ... and tables. The copy buttons, each a landmark for the theme, have names of their own.
  document.querySelectorAll(".md-typeset__scrollwrap").forEach((table) => table.setAttribute("tabindex", "0"));
  document.querySelectorAll(".md-code__nav").forEach((nav, n) => nav.setAttribute("aria-label", `Code ${n + 1}`));
});
