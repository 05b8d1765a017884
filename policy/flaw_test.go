package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
)

// Of several flaws the most telling one is named, and nothing sound is called flawed.
func TestFlaw(t *testing.T) {
	t.Parallel()
	cases := []struct {
		table, expr string
		want        policy.Flaw
	}{
		{"doc", `tenant_id = ` + setting, policy.Sound},
		{"doc", `false`, policy.Sound},
		{"doc", `true`, policy.AlwaysTrue},
		{"doc", `tenant_id = coalesce(` + setting + `, tenant_id)`, policy.FailOpen},
		{"doc", `tenant_id = ` + setting + ` OR app.is_admin()`, policy.Flagged},
		{"loose", `tenant_id = ` + setting + ` OR tenant_id IS NULL`, policy.NullShared},
		{"loose", `tenant_id IS NULL`, policy.NullShared},
		{"loose", `tenant_id IS NOT DISTINCT FROM ` + setting, policy.NullEqual},
		{"doc", `tenant_id <> ` + setting, policy.Negative},
		{"doc", `tenant_id::text LIKE current_setting('app.current_tenant', true)`, policy.Pattern},
		{"doc", `tenant_id::text = current_user`, policy.ByRole},
		{"doc", `EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = tenant_id)`, policy.Captured},
		{"doc", `EXISTS (SELECT 1 FROM app.membership m WHERE m.user_id = auth.uid())`, policy.Captured},
		{"doc", `user_id = auth.uid()`, policy.OwnRows},
		{"doc", `tenant_id = '11111111-1111-1111-1111-111111111111'`, policy.Literal},
		{"doc", `tenant_id = ` + setting + ` OR is_public`, policy.Alternative},
		{"doc", `tenant_id = app.tenant_frozen()`, policy.Frozen},
		{"folded", `tenant_id = current_setting('app.current_tenant', true)`, policy.Inexact},
		{"folded", `tenant_id = current_setting('app.current_tenant', true) OR body IS NULL`, policy.Unrelated},
		{"doc", `is_public`, policy.Unrelated},
	}
	db := pgtest.New(t)
	db.Exec(t, judgeSchema)
	var sql strings.Builder
	for i, c := range cases {
		fmt.Fprintf(&sql, "CREATE POLICY p%02d ON app.%s FOR SELECT USING (%s);\n", i, c.table, c.expr)
	}
	db.Exec(t, sql.String())
	look := view(t, db, judgeModel())
	for i, c := range cases {
		r := look.Relation(catalog.QName{Schema: "app", Name: c.table})
		if got := look.Judge(policyNamed(r, fmt.Sprintf("p%02d", i)).Using, r).Flaw; got != c.want {
			t.Errorf("%s on %s: %q, want %q", c.expr, c.table, got, c.want)
		}
	}
	r := &catalog.Relation{Name: "t"}
	none, unread := look.Judge(nil, r).Flaw, look.Judge(&catalog.Expr{Text: "?"}, r).Flaw
	if none != policy.Absent || unread != policy.Unrelated {
		t.Errorf("no expression: %q; one that could not be read: %q", none, unread)
	}
}

// What a plain policy compares with is read off its text, whatever its form.
func TestPlain(t *testing.T) {
	t.Parallel()
	cases := []struct {
		table, expr, other string
		plain              bool
	}{
		{"doc", `tenant_id = ` + setting, "", true},
		{"doc", `tenant_id = (SELECT ` + setting + `)`, "", true},
		{"doc", `tenant_id::text = current_setting('App.Current_Tenant')`, "", true},
		{"fixed", `tenant_id::text = current_setting('app.current_tenant')`, "", false}, // exact by its cast alone
		{"doc", `tenant_id = ` + setting + ` AND is_public`, "", false},
		{"doc", `tenant_id = app.tenant()`, "app.tenant()", false},
		{"doc", `tenant_id = (SELECT app.tenant())`, "app.tenant()", false},
		{"doc", `tenant_id = (SELECT app.tenant() AS who)`, "app.tenant()", false},
		{"doc", `tenant_id = other_id`, "", false},
		{"doc", `tenant_id = current_setting('app.other')::uuid`, "(current_setting('app.other'::text))::uuid", false},
	}
	db := pgtest.New(t)
	db.Exec(t, judgeSchema)
	for i, c := range cases {
		db.Exec(t, fmt.Sprintf("CREATE POLICY p%02d ON app.%s FOR SELECT USING (%s)", i, c.table, c.expr))
	}
	look := view(t, db, judgeModel())
	for i, c := range cases {
		r := look.Relation(catalog.QName{Schema: "app", Name: c.table})
		e := policyNamed(r, fmt.Sprintf("p%02d", i)).Using
		if plain, other := look.Plain(e, r), look.OtherValue(e, r); plain != c.plain || other != c.other {
			t.Errorf("%s: plain %v, other value %q; want %v, %q", c.expr, plain, other, c.plain, c.other)
		}
	}
}

func policyNamed(r *catalog.Relation, name string) *catalog.Policy {
	for i := range r.Policies {
		if r.Policies[i].Name == name {
			return &r.Policies[i]
		}
	}
	return nil
}
