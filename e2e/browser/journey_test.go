package browser

import (
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/moat-db/moat/audit"
)

// sizes are the leads of the demo's clients.
var sizes = [...]string{"18,000", "7,500"}

// Two clients sign in and each sees its own figures; they find, sort, filter, page,
// choose columns and export.
func TestClientsFindTheirLeads(t *testing.T) {
	t.Parallel()
	for client, size := range sizes {
		t.Run(shared.demo.Clients[client].Name, func(t *testing.T) {
			t.Parallel()
			b := newTab(t)
			b.signIn(client)
			b.has(".who", shared.demo.Clients[client].Name)
			b.has(".cards", size)
			b.has("#trend", "30 days")
			b.click(`#trend .switch a:nth-child(3)`)
			b.until(`document.querySelector("#trend .switch a:nth-child(3)").getAttribute("aria-current") === "true"`)
			b.has("#trend .below", "2026")

			b.follow(`nav a[href="/portal/t/leads"]`)
			b.has("#results .foot", "of "+size)
			// Search as one types, without leaving the page.
			eval[bool](b, "window.stayed = true")
			b.must(chromedp.SendKeys(chromedp.CSS("#search"), "marcus"))
			b.until(`[...document.querySelectorAll("#results td.first")].every(x => x.innerText.toLowerCase().includes("marcu` +
				`s")) && location.search.includes("q=marcus") && !document.querySelector(".htmx-request")`)
			if !eval[bool](b, "window.stayed === true") {
				t.Error("searching loads the page anew")
			}
			// The status tab keeps the search, also for whoever presses it slowly: that leaves the search field.
			b.hold(`#results .tabs a:nth-child(5)`)
			b.until(`document.querySelector("#results .tabs a:nth-child(5)").getAttribute("aria-current") === "true"`)
			b.until(`(all => all.length > 0 && all.every(x => x.value === "won"))` +
				`([...document.querySelectorAll("#results td select")])`)
			if q := eval[string](b, "location.search"); !strings.Contains(q, "q=marcus") ||
				!strings.Contains(q, "f.status=won") {
				t.Errorf("the address is %s", q)
			}
			// A filter from the sheet, then sorting, then another page.
			b.open("/t/leads")
			b.click("details.drop summary")
			b.must(chromedp.SetValue(chromedp.CSS(`select[name="f.source"]`), "referral"))
			b.until(`location.search.includes("f.source=referral") && !document.querySelector("#results .htmx-request")`)
			b.must(chromedp.KeyEvent(kb.Escape))
			b.until(`!document.querySelector("details.drop[open]")`)
			b.click("#sort-value")
			b.until(`document.querySelector("th[aria-sort=descending]").innerText.startsWith("Value")`)
			first := b.text("#results td.first")
			b.click("#next")
			b.until(`location.search.includes("page=2")`)
			b.has("#results .foot", "51–100")
			if b.text("#results td.first") == first {
				t.Error("the second page begins like the first")
			}
			// Columns of your own choice.
			b.open("/t/leads?cols=name&cols=phone&cols=score")
			if head := b.text("#results thead"); !strings.Contains(head, "Phone") || strings.Contains(head, "Email") {
				t.Errorf("the columns are %q", head)
			}
			b.exports(client)
		})
	}
}

// exports fetches the CSV of the won leads and counts it against the tab.
func (b *tab) exports(client int) {
	b.t.Helper()
	b.open("/t/leads?f.status=won")
	shown := eval[string](b, `document.querySelector("#results .foot p").innerText.split(" of ")[1].replace(",", "")`)
	eval[bool](b, `fetch(document.querySelector("a[download]").href).then(r => r.text()).then(t => { window.csv = t }) `+
		`&& true`)
	b.until("typeof window.csv === 'string'")
	rows, err := csv.NewReader(strings.NewReader(eval[string](b, "window.csv"))).ReadAll()
	if err != nil {
		b.t.Fatal(err)
	}
	if got := fmt.Sprint(len(rows) - 1); got != shown {
		b.t.Errorf("client %d: %s rows in the file, %s on the page", client, got, shown)
	}
}

// A client adds a lead, is told what is wrong with it, edits it, and changes its status
// in place; the other client never sees it.
func TestClientsKeepTheirLeads(t *testing.T) {
	t.Parallel()
	names := [...]string{"Zebulon Quist", "Yolanda Prufrock"}
	// Others than those whose leads another test counts.
	for client := range names {
		t.Run(shared.demo.Clients[client+2].Name, func(t *testing.T) {
			t.Parallel()
			b := newTab(t)
			b.signIn(client + 2)
			b.open("/t/leads/new")
			b.fill("#field-score", "101")
			b.fill("#field-value", "-1")
			b.follow(".form .button.main")
			b.has("#field-name-problem", "required")
			b.has("#field-score-problem", "at most 100")
			b.has("#field-value-problem", "at least 0")
			if client == 0 {
				b.everyPage("form-problems")
			}
			b.fill("#field-name", names[client])
			b.fill("#field-email", strings.ToLower(strings.ReplaceAll(names[client], " ", "."))+"@example.com")
			b.fill("#field-score", "77")
			b.fill("#field-value", "1250.50")
			b.must(chromedp.SetValue(chromedp.CSS("#field-campaign_id"),
				eval[string](b, `document.querySelector("#field-campaign_id option:nth-child(2)").value`)))
			b.follow(".form .button.main")
			b.has("h1", names[client])
			b.has(".notice.good", "Saved")
			b.has(".facts", "1,250.50")

			b.must(chromedp.SetValue(chromedp.CSS("form.status select"), "qualified"))
			b.until(`document.querySelector("form.status .saved") !== null`)

			b.follow(`.head .actions a.button`)
			b.fill("#field-company", "Quist & Sons <b>")
			b.follow(".form .button.main")
			b.has(".facts", "Quist & Sons <b>")
			b.open(strings.TrimPrefix(b.where(), "/portal"))
			if status := eval[string](b, `document.querySelector("form.status select").value`); status != "qualified" {
				t.Errorf("the status is %s", status)
			}
			// An event of the lead, from its own page.
			b.follow(`.links a[href*="/new?"]`)
			b.must(chromedp.SetValue(chromedp.CSS("#field-kind"), "call"))
			b.fill("#field-body", "Wants an offer")
			b.follow(".form .button.main")
			b.open("/t/leads?q=" + strings.ReplaceAll(names[client], " ", "+"))
			b.follow("a.name")
			b.has(".timeline", "Wants an offer")

			b.open("/t/leads?q=" + strings.ReplaceAll(names[1-client], " ", "+"))
			b.has("#results", "Nothing matches")
		})
	}
}

// Everything is reached by the keyboard: the first Tab is the way past the navigation.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.signIn(3)
	b.must(chromedp.KeyEvent(kb.Tab))
	if first := eval[string](b, "document.activeElement.innerText"); !strings.Contains(first, "Skip") {
		t.Errorf("the first stop is %q", first)
	}
	b.open("/t/leads")
	unreachable := eval[int](b, `[...document.querySelectorAll("main a, main button, main select, `+
		`main input:not([type=hidden]), main summary")].filter(x => x.tabIndex < 0).length`)
	if unreachable > 0 {
		t.Errorf("%d controls cannot be reached by Tab", unreachable)
	}
	b.must(chromedp.Focus(chromedp.CSS("details.drop summary")), chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelector("details.drop").open`)
	b.must(chromedp.KeyEvent(kb.Escape))
	b.until(`!document.querySelector("details.drop").open && document.activeElement.tagName === "SUMMARY"`)
}

// Times are shown in the viewer's zone, from the first page on.
func TestTimesInTheViewersZone(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	zone := eval[string](b, "Intl.DateTimeFormat().resolvedOptions().timeZone")
	if zone != "Europe/Berlin" {
		t.Fatalf("the browser is in %s", zone)
	}
	b.signIn(1)
	b.open("/t/leads")
	at := eval[string](b, `document.querySelector("td time").getAttribute("datetime")`)
	shown := b.text("td time")
	moment, err := time.Parse(time.RFC3339, at)
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	if want := moment.In(berlin).Format("2 Jan 2006, 15:04"); shown != want {
		t.Errorf("shows %s for %s, want %s", shown, at, want)
	}
}

// The operator signs in with a reason, looks, views as a client who can read why,
// suspends it and lets it in again.
func TestOperator(t *testing.T) {
	t.Parallel()
	const victim = 4
	c := shared.demo.Clients[victim]
	theirs := newTab(t)
	theirs.signIn(victim)
	b := newTab(t)
	b.everyLook("operator-sign-in", "/operator/sign-in")
	b.look(1440, false)
	b.open("/operator/")
	if at := b.where(); at != "/portal/operator/sign-in" {
		t.Fatalf("without a sign-in the console is at %s", at)
	}
	b.fill("#reason", "Quarterly review")
	b.follow(".gate .button.main")
	b.has("table", c.Name)
	b.everyLook("operator-clients", "/operator/")
	b.look(1440, false)
	page := "/operator/tenants/" + string(c.Tenant)
	b.open(page)
	b.fill("#view-reason", "Ticket 4711: totals look wrong")
	b.follow(`form[action$="/view"] button`)
	b.has(".banner", "Viewing as "+c.Name)
	b.has(".cards", "All leads")
	b.everyLook("view-as", "/dashboard")
	b.look(1440, false)
	b.open("/t/leads")
	if n := eval[int](b, `document.querySelectorAll("main form.status, a[href$='/new']").length`); n > 0 {
		t.Errorf("a look offers %d ways to change something", n)
	}
	b.follow(".banner button")
	if at := b.where(); at != "/portal/operator/" {
		t.Errorf("leaving leads to %s", at)
	}
	theirs.open("/access")
	theirs.has("table", "Ticket 4711: totals look wrong")
	theirs.everyLook("access", "/access")
	theirs.look(1440, false)

	b.open(page)
	b.fill("#state-reason", "Bill of October")
	b.follow(`form[action$="/state"] button`)
	b.has(".notice", "Suspended")
	theirs.open("/dashboard")
	theirs.has("h1", "suspended")
	theirs.everyPage("suspended")
	b.everyLook("operator-client", page)
	b.look(1440, false)
	b.fill("#state-reason", "Paid")
	b.follow(`form[action$="/state"] button`)
	b.has(".notice", "Resumed")
	theirs.open("/dashboard")
	theirs.has(".cards", "All leads")
	b.open(page)
	b.fill("#rate", "50")
	b.fill("#limit-reason", "A bigger plan")
	b.follow(`form[action$="/limits"] button`)
	b.has(".notice", "Saved")
	b.open("/operator/")
	b.follow(`a[href$="/operator/new"]`)
	b.everyLook("operator-new", "/operator/new")
	b.look(1440, false)
	b.fill(`[name="set.name"]`, "Ferry Street Bakery")
	b.fill(`[name="set.slug"]`, "ferry-street")
	b.fill("#reason", "Signed today")
	b.follow("main form button")
	b.has(".notice", "Created")
	b.open(page)
	b.follow(`a[href$="/data"]`)
	b.everyLook("operator-data", page+"/data")
	b.look(1440, false)
	b.open(page)
	b.follow(`a[href$="/erasure"]`)
	b.has("table", "app.leads")
	b.everyLook("operator-erasure", page+"/erasure")
	b.look(1440, false)
	b.fill("#reason", "Contract ended")
	b.follow(`form[action$="/erasure"] button`)
	b.has(".notice", "Requested")
	theirs.open("/dashboard")
	theirs.has("h1", "suspended")
	b.fill("#reason", "They stay")
	b.follow(`form[action$="/erasure"] button`)
	b.has(".notice", "Cancelled")
	theirs.open("/dashboard")
	theirs.has(".cards", "All leads")
	b.open("/operator/log")
	for _, want := range []string{"requested the tenant's erasure", "viewed as the client", "suspended the client",
		"resumed the client", "Quarterly review",
		"Bill of October"} {
		b.has("table", want)
	}
	b.everyLook("operator-log", "/operator/log?all")
}

// The operator sees what the audit finds, runs the proof with its progress, keeps a
// good state, and sees what drifts from it.
func TestOperatorIsolation(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.open("/operator/sign-in")
	b.follow(".gate .button.main")
	b.open("/operator/isolation")
	b.has("#policies", "app.leads")
	b.has("#prove", "Not run yet")
	b.follow("#prove form button")
	b.has("#prove", "Running probes")
	b.shot("operator-isolation-running-1440-light") // it does not last
	deadline := time.Now().Add(10 * time.Minute)
	for b.text("#prove .matrix") == "" && time.Now().Before(deadline) {
		time.Sleep(300 * time.Millisecond)
	}
	b.has("#prove", "held")
	t.Logf("prove: %s", b.text("#prove .readout"))
	if leaks := eval[int](b, `document.querySelectorAll(".matrix .cell.leak").length`); leaks > 0 {
		t.Errorf("%d cells leak: %s", leaks, eval[string](b,
			`[...document.querySelectorAll(".matrix .cell.leak")].map(c => c.title || c.ariaLabel || c.outerHTML).join("; ")`))
	}
	b.fill("#good-reason", "reviewed with the team")
	b.follow("#drift form button")
	b.has("#drift", "Nothing has changed")
	b.has(".verdict", orToFix(t, "The moat holds"))
	// Somebody weakens a table.
	ctx := context.Background()
	if _, err := shared.admin.Exec(ctx, "alter table app.campaigns no force row level security"); err != nil {
		t.Fatal(err)
	}
	b.follow(".head .actions button")
	b.has("#drift", "table app.campaigns")
	b.has(".verdict", orToFix(t, "out of date"))
	b.until(`document.querySelector("#findings").textContent.includes("app.campaigns")`)
	b.everyLook("operator-isolation-drift", "/operator/isolation")
	b.look(1440, false)
	if _, err := shared.admin.Exec(ctx, "alter table app.campaigns force row level security"); err != nil {
		t.Fatal(err)
	}
	b.follow(".head .actions button")
	b.has("#drift", "Nothing has changed")
	b.has(".verdict", orToFix(t, "The moat holds"))
	b.everyLook("operator-isolation", "/operator/isolation")
}

// The visitor tries what comes to mind, and the page says truly what came of it.
func TestBreakIn(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.signIn(0)
	other := string(shared.demo.Clients[1].Tenant)
	for _, tt := range []struct{ name, sql, verdict, says string }{
		{"all", "select id, name from app.leads limit 5", "good", "every one of them is yours"},
		{"names only", "select name, email from app.leads limit 5", "good", "every one of them is yours"},
		{"theirs", "select * from app.leads where tenant_id = '" + other + "'", "good", "Nothing came back"},
		{"count", "select count(*) from app.leads", "open", "18,000 are yours"},
		{"json", "select json_agg(l.id) from (select id from app.leads limit 3) l", "good", "it is yours"},
		{"ddl", "alter table app.leads disable row level security", "good", "must be owner"},
		{"commit", "commit", "open", "rolled back"},
		{"two", "select 1; select 2", "open", "One statement at a time"},
		{"sleep", "select pg_sleep(10)", "good", "three seconds"},
		{"forge", "select set_config('app.current_tenant', '" + other + "', true)", "warn", "set_config"},
		{"parameter", "select $1::text", "open", "parameters"},
		{"typed id", "select '" + other + "' as x", "open", "Nothing in the answer says"},
	} {
		b.open("/break-in")
		b.fill("#sql", tt.sql)
		b.follow(".editor .button.main")
		b.has("#verdict", tt.says)
		if !eval[bool](b, `document.querySelector("#verdict").classList.contains("`+tt.verdict+`")`) {
			t.Errorf("%s: %s", tt.name, b.text("#verdict"))
		}
	}
	// Forged within one statement, the rows come back and are called theirs.
	b.open("/break-in?try=8")
	b.follow(".editor .button.main")
	b.has("#verdict", "rows of another client")
	b.has("table.answer", shared.demo.Clients[1].Name)
	b.shot("break-in-forged-1440-light")
	b.open("/break-in")
	b.follow(".editor .button.main")
	b.has("#verdict", "The moat held")
	b.has(".plan", "Filter")
	b.shot("break-in-held-1440-light")
	b.everyLook("break-in", "/break-in")
}

// orToFix is a verdict, or that there is something to fix: a release with known flaws is
// a finding of its own, and comes first.
func orToFix(t *testing.T, verdict string) string {
	t.Helper()
	var version int
	const sql = "select current_setting('server_version_num')::int"
	if err := shared.admin.QueryRow(t.Context(), sql).Scan(&version); err != nil {
		t.Fatal(err)
	}
	if audit.ReleaseWarning(version) != "" {
		return "to fix"
	}
	return verdict
}
