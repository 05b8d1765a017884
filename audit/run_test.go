package audit_test

import (
	"encoding/json"
	"github.com/moat-db/moat/baseline"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

func TestReleases(t *testing.T) {
	t.Parallel()
	tests := []struct {
		version int
		day     string
		want    []string
	}{
		{150002, "", []string{"cve-2023-2455",
			"cve-2023-39418", "cve-2024-10976", "cve-2024-4317", "cve-2025-8713", "release-outdated"}},
		{150003, "", []string{"cve-2023-39418", "cve-2024-10976", "cve-2024-4317", "cve-2025-8713", "release-outdated"}},
		{160002, "", []string{"cve-2024-10976", "cve-2024-4317", "cve-2025-8713", "release-outdated"}},
		{170000, "", []string{"cve-2024-10976", "cve-2025-8713", "release-outdated"}},
		{170005, "", []string{"cve-2025-8713", "release-outdated"}},
		{150014, "", []string{"release-outdated"}}, {160010, "", []string{"release-outdated"}},
		{170006, "", []string{"release-outdated"}}, {180000, "", []string{"release-outdated"}},
		// The release before the last fix, and the one with it.
		{150019, "", []string{"release-outdated"}}, {150020, "", nil}, {160016, "", nil},
		{170011, "", []string{"release-outdated"}}, {170012, "", nil}, {180007, "", nil}, {190000, "", nil},
		// What is ended, by the day that is given or by the one on which that was last looked at.
		{140025, "", []string{"release-ended"}}, {140025, "2026-11-11", nil},
		{140025, "2026-11-12", []string{"release-ended"}},
		{130023, "", []string{"release-ended", "release-outdated"}}, {120022, "", []string{"release-ended"}},
		{150020, "2027-11-10", nil}, {150020, "2027-11-11", []string{"release-ended"}},
		{180007, "2031-01-01", []string{"release-ended"}}, {190000, "2031-01-01", nil},
	}
	for _, test := range tests {
		o := audit.Options{}
		if test.day != "" {
			o.Today, _ = time.Parse(time.DateOnly, test.day)
		}
		var got []string
		for _, x := range audit.Run(view(&catalog.Snapshot{Version: test.version}, &catalog.Model{}), o).Findings {
			if x.Object == "server" {
				got = append(got, x.Rule)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%d %s: %s", test.version, test.day, diff)
		}
	}
}

// A test version has the number of the release that follows it, not its fixes.
func TestPrerelease(t *testing.T) {
	t.Parallel()
	for elsewhere, want := range map[bool]bool{false: true, true: false} {
		s := &catalog.Snapshot{Version: 190000, Prerelease: true}
		r := audit.Run(view(s, &catalog.Model{}), audit.Options{Elsewhere: elsewhere})
		if got := slices.Contains(rulesOf(r), "release-outdated"); got != want {
			t.Errorf("elsewhere: %v, reported: %v", elsewhere, got)
		}
	}
}

// A schema that was only loaded to be looked at is not judged by that server's release.
func TestReleaseElsewhere(t *testing.T) {
	t.Parallel()
	s, m := vulnerable()
	s.Version = 140002
	got := rulesOf(audit.Run(view(s, m), audit.Options{Elsewhere: true}))
	if !slices.Equal(got, []string{"rls-disabled"}) {
		t.Errorf("%v, want rls-disabled alone", got)
	}
}

func TestReleaseWarning(t *testing.T) {
	t.Parallel()
	for version, want := range map[int]string{
		150018: "PostgreSQL 15.18 has known flaws in row-level security (CVE-2026-120154, CVE-2026-116311, " +
			"CVE-2026-116327, CVE-2026-16237, CVE-2026-14666): update to 15.20. " +
			"moat audit says which of them this database is open to.",
		180006: "PostgreSQL 18.6 has known flaws in row-level security (CVE-2026-120154, CVE-2026-116311, " +
			"CVE-2026-116327, CVE-2026-16237): update to 18.7. moat audit says which of them this database is open to.",
		130023: "PostgreSQL 13.23 has known flaws in row-level security (CVE-2026-120154, CVE-2026-116311, " +
			"CVE-2026-116327, CVE-2026-16237, CVE-2026-14666): upgrade to a maintained major version. " +
			"moat audit says which of them this database is open to.",
		150020: "", 170012: "", 190000: "",
	} {
		if got := audit.ReleaseWarning(version); got != want {
			t.Errorf("%d: %q, want %q", version, got, want)
		}
	}
}

// vulnerable is a Snapshot by hand: one tenant table without row-level security.
func vulnerable() (*catalog.Snapshot, *catalog.Model) {
	name := catalog.QName{Schema: "app", Name: "doc"}
	s := &catalog.Snapshot{Version: 180007, Database: catalog.Database{Name: "shop", Owner: "postgres"},
		Roles: []catalog.Role{{Name: "web", Login: true}, {Name: "owner"}},
		Relations: []catalog.Relation{{Schema: "app", Name: "doc", Kind: catalog.Table, Owner: "owner",
			Columns:    []catalog.Column{{Name: "tenant_id", Type: "uuid", NotNull: true}},
			Privileges: []catalog.Privilege{{Grantee: "web", Grantor: "owner", Name: "SELECT"}}}}}
	m := &catalog.Model{Column: "tenant_id", Type: "uuid", Setting: "app.current_tenant", Roles: []string{"web"},
		Tables: []catalog.TableModel{{Table: name, Class: catalog.TenantTable, Column: "tenant_id", Type: "uuid"}}}
	return s, m
}

func rulesOf(r audit.Report) []string {
	var out []string
	for _, x := range r.Findings {
		if x.Severity.AtLeast(audit.Medium) {
			out = append(out, x.Rule)
		}
	}
	return out
}

func TestRunIsPure(t *testing.T) {
	t.Parallel()
	s, m := vulnerable()
	first, _ := json.Marshal(audit.Run(view(s, m), audit.Options{}))
	second, _ := json.Marshal(audit.Run(view(s, m), audit.Options{}))
	if diff := cmp.Diff(string(first), string(second)); diff != "" {
		t.Error(diff)
	}
}

func TestRunAccepts(t *testing.T) {
	t.Parallel()
	s, m := vulnerable()
	if diff := cmp.Diff([]string{"rls-disabled"}, rulesOf(audit.Run(view(s, m), audit.Options{}))); diff != "" {
		t.Fatal(diff)
	}
	s.Relations[0].RLS, s.Relations[0].ForceRLS = true, true
	today := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	for _, x := range audit.Run(view(s, m), audit.Options{}).Findings {
		e := baseline.Entry{Kind: x.Rule, Object: x.Object, Fingerprint: catalog.Definition(s, x.Object),
			Reason: "a sample", Expires: "2027-01-31"}
		r := audit.Run(view(s, m), audit.Options{Accepted: []baseline.Entry{e}, Today: today})
		accepted := len(r.Accepted) == 1 && r.Accepted[0].Reason == "a sample"
		if accepted != x.Acceptable() || accepted == (len(r.Reopened) == 1) || accepted == reports(r, x) {
			t.Errorf("%s: findings %v, accepted %v, reopened %v", x.Rule, rulesOf(r), r.Accepted, r.Reopened)
		}
		r = audit.Run(view(s, m), audit.Options{Accepted: []baseline.Entry{e}, Today: today.AddDate(0, 0, 1)})
		if len(r.Accepted) > 0 || !reports(r, x) || len(r.Reopened) != 1 {
			t.Errorf("%s, expired: findings %v, accepted %v", x.Rule, rulesOf(r), r.Accepted)
		}
	}
}

func reports(r audit.Report, x audit.Finding) bool {
	return slices.ContainsFunc(r.Findings, func(y audit.Finding) bool { return y.Rule == x.Rule && y.Object == x.Object })
}

func TestRunLimitsToSchemas(t *testing.T) {
	t.Parallel()
	s, m := vulnerable()
	s.Roles[0].BypassRLS = true
	r := audit.Run(view(s, m), audit.Options{Schemas: []string{"other"}})
	if diff := cmp.Diff([]string{"role-bypassrls"}, rulesOf(r)); diff != "" {
		t.Errorf("roles bear on every schema, tables on their own: %s", diff)
	}
}

// A shared table that the application may change is worse where tenants' rows go with its.
func TestSharedTablesThatTenantsChange(t *testing.T) {
	t.Parallel()
	for onDelete, want := range map[string]audit.Severity{"restrict": audit.Medium, "cascade": audit.High} {
		s, m := vulnerable()
		plan := catalog.QName{Schema: "app", Name: "plan"}
		s.Relations[0].Constraints = []catalog.Constraint{{Name: "doc_plan", Type: catalog.ForeignKey,
			Columns: []string{"plan_id"}, References: plan, RefColumns: []string{"id"}, OnDelete: onDelete}}
		s.Relations = append(s.Relations, catalog.Relation{Schema: "app", Name: "plan", Kind: catalog.Table, Owner: "owner",
			Privileges: []catalog.Privilege{{Grantee: "web", Grantor: "owner", Name: "DELETE"}}})
		m.Tables = append(m.Tables, catalog.TableModel{Table: plan, Class: catalog.SharedTable})
		found := audit.Run(view(s, m), audit.Options{}).Findings
		i := slices.IndexFunc(found, func(x audit.Finding) bool { return x.Rule == "rls-shared-writable" })
		if i < 0 || found[i].Severity != want || !slices.Equal(found[i].Fix, []string{"REVOKE DELETE ON app.plan FROM web"}) {
			t.Errorf("%s: %+v", onDelete, found)
		}
	}
}

func TestRunCountsCrossingRows(t *testing.T) {
	t.Parallel()
	doc := catalog.QName{Schema: "app", Name: "doc"}
	e := audit.Evidence{Crossing: []audit.CrossingRows{{Table: doc, Constraint: "fk", Rows: 3, Query: "SELECT 1"}},
		Unseen: []string{"something"}}
	for onDelete, want := range map[string]audit.Severity{"no action": audit.High, "set null": audit.Critical} {
		s, m := vulnerable()
		s.Relations[0].Constraints = []catalog.Constraint{{Name: "fk", Type: catalog.ForeignKey, Columns: []string{"x"},
			References: doc, RefColumns: []string{"id"}, OnDelete: onDelete}}
		r := audit.Run(view(s, m), audit.Options{Evidence: e})
		i := slices.IndexFunc(r.Findings, func(x audit.Finding) bool { return x.Rule == "key-crossing-rows" })
		if i < 0 || r.Findings[i].Severity != want || !slices.Contains(r.Unseen, "something") {
			t.Errorf("%s: findings %v, unseen %v", onDelete, r.Findings, r.Unseen)
		}
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	s, m := vulnerable()
	s.Unseen = []string{"the statistics"}
	r := audit.Run(view(s, m), audit.Options{})
	if want := "1 leak, 2 minor findings; 1 thing not checked"; r.Verdict != want {
		t.Errorf("verdict %q, want %q", r.Verdict, want)
	}
	s.Version = 140022
	r = audit.Run(view(s, m), audit.Options{})
	if want := "1 leak, 2 minor findings; 2 findings about the server's release; 1 thing not checked"; r.Verdict != want {
		t.Errorf("verdict %q, want %q", r.Verdict, want)
	}
	r = audit.Run(view(&catalog.Snapshot{Version: 170011}, &catalog.Model{}), audit.Options{})
	if want := "1 minor finding; 1 finding about the server's release"; r.Verdict != want {
		t.Errorf("verdict %q, want %q", r.Verdict, want)
	}
}

func view(s *catalog.Snapshot, m *catalog.Model) *policy.View {
	return policy.NewView(catalog.NewLookup(s, m))
}
