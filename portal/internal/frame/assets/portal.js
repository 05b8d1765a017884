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

  // On a small screen the navigation is one line: where the viewer is stays in sight.
  function showPlace() {
    var here = document.querySelector(".side nav a[aria-current]");
    if (!here) return;
    var nav = here.closest("nav");
    nav.scrollLeft += here.getBoundingClientRect().left - (nav.clientWidth - here.offsetWidth) / 2;
  }
  showPlace();
  window.addEventListener("resize", showPlace);

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

  // Searching everything, and the keys. A key means something only where no text is typed.
  var find = document.getElementById("find"), keys = document.getElementById("keys");
  function open(dialog) { if (dialog && !dialog.open) dialog.showModal(); }
  function lookUp(e) {
    if (!find || !find.showModal) return;
    e.preventDefault();
    open(find);
    document.getElementById("find-text").select();
  }
  document.addEventListener("click", function (e) {
    if (e.target.closest("[data-find]")) lookUp(e);
    if (e.target === find || e.target === keys) e.target.close(); // beside it
  });
  if (find) find.addEventListener("keydown", function (e) {
    if (e.key === "Escape") { find.close(); e.preventDefault(); }
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    var stops = [document.getElementById("find-text")].concat([].slice.call(find.querySelectorAll(".found a")));
    var at = stops.indexOf(document.activeElement) + (e.key === "ArrowDown" ? 1 : -1);
    if (stops[at]) { stops[at].focus(); e.preventDefault(); }
  });

  function typing(x) { return x.matches("input:not([type=checkbox]), textarea, select, [contenteditable]"); }
  function rows() { return [].slice.call(document.querySelectorAll("main tbody tr")).filter(name); }
  function name(tr) {
    return tr.querySelector("a.name") || tr.querySelector("td.first a") || tr.querySelector("td.box input");
  }
  function step(by) {
    var all = rows(), here = document.activeElement.closest("tbody tr");
    var next = all[here ? all.indexOf(here) + by : 0];
    if (next) { name(next).focus(); next.scrollIntoView({ block: "nearest" }); }
  }
  var does = {
    "/": lookUp,
    "?": function () { open(keys); },
    j: function () { step(1); }, k: function () { step(-1); },
    f: function (e) { var s = document.getElementById("search"); if (s) { s.focus(); e.preventDefault(); } },
    n: function () { var a = document.querySelector(".head .actions a[href$='/new']"); if (a) a.click(); },
    x: function () {
      var tr = document.activeElement.closest("tbody tr"), box = tr && tr.querySelector("td.box input");
      if (box) { box.click(); }
    },
    e: function (e) {
      var tr = document.activeElement.closest("tbody tr"), td = tr && tr.querySelector("td[data-col]");
      if (td) { change(td); e.preventDefault(); }
    }
  };
  document.addEventListener("keydown", function (e) {
    if ((e.ctrlKey || e.metaKey) && !e.altKey && e.key.toLowerCase() === "k") return lookUp(e);
    if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || document.querySelector("dialog[open]")) return;
    if (does[e.key]) does[e.key](e);
  });

  // A value is changed where it stands: its cell becomes a form, and the answer the cell again.
  function change(td) {
    var place = td.parentNode.dataset.place;
    if (!place || td.querySelector("form")) return;
    var was = [].slice.call(td.childNodes);
    td.restore = function () { td.replaceChildren.apply(td, was); var a = td.querySelector("a"); if (a) a.focus(); };
    htmx.ajax("GET", place + "/" + encodeURIComponent(td.dataset.col), { target: td, swap: "innerHTML" });
  }
  document.addEventListener("dblclick", function (e) {
    var td = e.target.closest("td[data-col]");
    if (td && !e.target.closest("form")) change(td);
  });
  document.addEventListener("htmx:afterSwap", function (e) {
    var form = e.target.querySelector && e.target.matches("td") && e.target.querySelector("form.cellform");
    if (form) {
      var field = form.querySelector("[name]:not([type=hidden])");
      field.focus();
      if (field.select) field.select();
    }
  });
  document.addEventListener("keydown", function (e) {
    var form = e.target.closest && e.target.closest("form.cellform");
    if (!form) return;
    var td = form.closest("td");
    if (e.key === "Escape") { td.restore(); var a = name(td.parentNode); if (a) a.focus(); }
    if (e.key === "Enter" && e.target.matches("select")) { form.requestSubmit(); e.preventDefault(); }
    if (e.key === "Tab" && e.target.matches("[name]")) {
      var all = [].slice.call(td.parentNode.querySelectorAll("td[data-col]"));
      var next = all[all.indexOf(td) + (e.shiftKey ? -1 : 1)];
      if (!next) return;
      e.preventDefault();
      if (e.target.value !== start(e.target)) form.requestSubmit(); else td.restore();
      change(next);
    }
  });
  function start(x) {
    var chosen = x.matches("select") && x.querySelector("option[selected]");
    return x.matches("select") ? (chosen ? chosen.value : x.options[0].value) : x.defaultValue;
  }

  // Picking rows.
  document.addEventListener("change", function (e) {
    if (e.target.matches("[data-pick-all]")) document.querySelectorAll("td.box input").forEach(function (box) {
      box.checked = e.target.checked;
    });
    var says = document.querySelector("[data-picked]");
    if (says) says.textContent = document.querySelectorAll("td.box input:checked").length + " selected";
  });

  document.addEventListener("click", function (e) {
    var button = e.target.closest("[data-copy-address]");
    if (!button || !navigator.clipboard) return;
    var at = new URL(location.href), view = document.getElementById("view");
    if (view && view.value) at.searchParams.set("view", view.value);
    navigator.clipboard.writeText(at.href).then(function () { button.textContent = "Copied"; });
  });
})();
