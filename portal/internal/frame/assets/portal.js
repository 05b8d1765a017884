// What the pages do beyond links and forms. Everything works without it, except that
// times are then shown in UTC and a changed status is saved by a button.
(function () {
  "use strict";

  // The server learns the viewer's time zone from a cookie; the first page it sends
  // before it knows is put right here.
  var zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  if (document.body.dataset.zone !== zone) {
    document.cookie = "moat_zone=" + encodeURIComponent(zone) + "; path=/portal; max-age=31536000; samesite=lax" +
      (location.protocol === "https:" ? "; secure" : "");
    document.querySelectorAll("time[datetime]:not([data-keep])").forEach(function (t) {
      var at = new Date(t.dateTime);
      if (isNaN(at)) return;
      var locale = document.body.dataset.locale, english = locale.slice(0, 2) === "en";
      t.textContent = new Intl.DateTimeFormat(locale, { day: english ? "numeric" : "2-digit",
        month: english ? "short" : "2-digit", year: "numeric", hour: "2-digit", minute: "2-digit" })
        .format(at).replace("Sept", "Sep");
    });
  }

  // Open menus close on Escape and on a click elsewhere.
  document.addEventListener("click", function (e) {
    document.querySelectorAll("details.drop[open]").forEach(function (d) {
      if (!d.contains(e.target)) d.open = false;
    });
  });
  document.addEventListener("keydown", function (e) {
    if (e.key !== "Escape") return;
    document.querySelectorAll("details.drop[open]").forEach(function (d) {
      d.open = false;
      d.querySelector("summary").focus();
    });
  });

  // The bar under the pointer is read out beside the chart's title.
  document.addEventListener("pointerover", function (e) {
    var bar = e.target.closest && e.target.closest("[data-tip]");
    var out = document.getElementById("readout");
    if (!out) return;
    if (!out.dataset.rest) out.dataset.rest = out.textContent;
    out.textContent = bar ? bar.dataset.tip : out.dataset.rest;
  });

  // Copy what a button points at.
  document.addEventListener("click", function (e) {
    var button = e.target.closest("[data-copy]");
    if (!button || !navigator.clipboard) return;
    var from = document.getElementById(button.dataset.copy);
    navigator.clipboard.writeText(from.textContent).then(function () {
      button.textContent = "Copied";
    });
  });

  // A change that was refused is taken back, so that the page shows what is saved. One
  // that was only overtaken by the next is not: its value is on its way.
  function refused(e) {
    if (e.detail.elt.matches("form.status")) e.detail.elt.reset();
  }
  document.addEventListener("htmx:responseError", refused);
  document.addEventListener("htmx:sendError", function (e) {
    refused(e);
    var notice = document.getElementById("notice");
    if (notice) notice.innerHTML = '<div class="notice bad">The server cannot be reached, and nothing was changed. ' +
      "Try again.</div>";
  });
  document.addEventListener("htmx:afterRequest", function (e) {
    var notice = document.getElementById("notice");
    if (notice && e.detail.successful) notice.textContent = "";
  });

  // A form that came back with problems says so to who cannot see it.
  var summary = document.getElementById("summary");
  if (summary) summary.focus();
})();
