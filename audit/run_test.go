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
	tests := map[int][]string{
		150003: {"cve-2023-39418", "cve-2024-10976", "cve-2024-4317", "cve-2025-8713"},
		150002: {"cve-2023-39418", "cve-2023-2455", "cve-2024-10976", "cve-2024-4317", "cve-2025-8713"},
		160002: {"cve-2024-10976", "cve-2024-4317", "cve-2025-8713"},
		170000: {"cve-2024-10976", "cve-2025-8713"},
		170005: {"cve-2025-8713"},
		140019: nil, 150014: nil, 160010: nil, 170006: nil, 180000: nil,
	}
	for version, want := range tests {
		r := audit.Run(view(&catalog.Snapshot{Version: version}, &catalog.Model{}), audit.Options{})
		var got []string
		for _, x := range r.Findings {
			if x.Object == "server" {
				got = append(got, x.Rule)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d: %s", version, diff)
		}
	}
}

// vulnerable is a Snapshot by hand: one tenant table without row-level security.
func vulnerable() (*catalog.Snapshot, *catalog.Model) {
	name := catalog.QName{Schema: "app", Name: "doc"}
	s := &catalog.Snapshot{Version: 180000, Database: catalog.Database{Name: "shop", Owner: "postgres"},
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

func TestRunCountsCrossingRows(t *testing.T) {
	t.Parallel()
	s, m := vulnerable()
	doc := catalog.QName{Schema: "app", Name: "doc"}
	e := audit.Evidence{Crossing: []audit.CrossingRows{{Table: doc, Constraint: "fk", Rows: 3, Query: "SELECT 1"}},
		Unseen: []string{"something"}}
	r := audit.Run(view(s, m), audit.Options{Evidence: e})
	if !slices.Contains(rulesOf(r), "key-crossing-rows") || !slices.Contains(r.Unseen, "something") {
		t.Errorf("findings %v, unseen %v", rulesOf(r), r.Unseen)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	s, m := vulnerable()
	s.Unseen = []string{"the statistics"}
	r := audit.Run(view(s, m), audit.Options{})
	if want := "1 leak, 1 minor finding; 1 thing not checked"; r.Verdict != want {
		t.Errorf("verdict %q, want %q", r.Verdict, want)
	}
}

func view(s *catalog.Snapshot, m *catalog.Model) *policy.View {
	return policy.NewView(catalog.NewLookup(s, m))
}
