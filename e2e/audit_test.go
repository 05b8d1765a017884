package e2e

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/protect"
	"github.com/moat-db/moat/tenancy"
)

// TestAuditAfterProtect applies everything and audits the result: what is left at
// medium and above is a question that the plan asks by name.
func TestAuditAfterProtect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string
		clean      bool // not even a question is left
		setup      func(*subject)
	}{
		{name: "agency", file: "testdata/agency.sql", clean: true, setup: func(s *subject) {
			s.opts = tenancy.Options{}
		}},
		{name: "shop", file: "testdata/shop.sql", setup: func(s *subject) {
			s.opts = tenancy.Options{Schemas: []string{"shop"}}
		}},
		{name: "product", file: "../protect/testdata/product.sql", setup: product},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSubjectOf(t, c.file)
			c.setup(s)
			if _, err := protect.Apply(t.Context(), s.open, s.plan(t),
				protect.ApplyOptions{Until: protect.GroupGuards}); err != nil {
				t.Fatal(err)
			}
			again := s.plan(t)
			if !again.Empty() {
				t.Errorf("second plan has %d steps", len(again.Steps))
			}
			if c.clean && len(again.Decisions) > 0 {
				t.Errorf("decisions are left: %+v", again.Decisions)
			}
			for _, f := range s.audit(t).Findings {
				if f.Severity >= audit.Medium && !asked(again.Decisions, f.Object) {
					t.Errorf("%s (%s) %s: %s", f.Rule, f.Severity, f.Object, f.Message)
				}
			}
		})
	}
}

func product(s *subject) {
	s.opts = tenancy.Options{Column: "organization_id", Tenants: catalog.QName{Schema: "core", Name: "organizations"},
		Schemas: []string{"core", "crm", "billing", "work", "support", "hr", "stock", "Reporting"}}
	for _, name := range []string{"countries", "currencies", "languages", "time_zones", "plans", "features",
		"plan_features", "industries"} {
		s.opts.Shared = append(s.opts.Shared, catalog.QName{Schema: "core", Name: name})
	}
	s.cfg.Paths = map[string]string{"crm.form_entries": "form_entries_form_id_fkey",
		"hr.reviews":           "reviews_employee_id_fkey",
		"work.project_members": "project_members_project_id_fkey", "work.task_positions": "task_positions_task_id_fkey"}
}

// asked reports whether a decision names the object of a finding.
func asked(decisions []protect.Decision, object string) bool {
	for _, d := range decisions {
		name := d.Object
		if d.Table.Name != "" {
			name = d.Table.String() + "." + d.Object
		}
		// Functions are written with their argument names in one and without in the
		// other.
		bare, _, _ := strings.Cut(object, "(")
		if name == object || d.Table.String() == object || strings.HasPrefix(name, bare+"(") {
			return true
		}
	}
	return false
}

func (s *subject) audit(t *testing.T) audit.Report {
	t.Helper()
	conn, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	o := s.opts
	// Other tests' roles are in the same cluster.
	o.Roles = []string{s.cfg.Roles.Application}
	v, err := tenancy.Read(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Run(v, audit.Options{Elsewhere: true}) // whichever release the tests run on
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
