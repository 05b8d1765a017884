package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// Helper is a function that a shape needs, which runs with the rights of a role that policies do
// not bind: one that a trigger runs, or one that policies ask.
type Helper struct {
	Table    catalog.QName
	Trigger  string // "" for one that policies ask
	When     string // AFTER INSERT OR UPDATE
	Returns  string // what policies are told: SETOF uuid; "" for a trigger's
	Function catalog.QName
	Body     string
	// Needs are words of a body that is a team's own and does the same; none: only Body.
	Needs []string
}

// Create writes the function, and its trigger where it has one. The function belongs to owner.
func (h Helper) Create(owner string) []string {
	kind := "trigger LANGUAGE plpgsql"
	if h.Trigger == "" {
		kind = h.Returns + " LANGUAGE sql STABLE"
	}
	sql := []string{
		fmt.Sprintf("CREATE OR REPLACE FUNCTION %s() RETURNS %s SECURITY DEFINER\n  "+
			"SET search_path = pg_catalog, pg_temp AS %s", h.Function.SQL(), kind, sqltext.Dollar(h.Body)),
		fmt.Sprintf("ALTER FUNCTION %s() OWNER TO %s", h.Function.SQL(), sqltext.Ident(owner)),
		fmt.Sprintf("REVOKE ALL ON FUNCTION %s() FROM PUBLIC", h.Function.SQL()),
	}
	if h.Trigger == "" {
		return sql
	}
	return append(sql,
		fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", sqltext.Ident(h.Trigger), h.Table.SQL()),
		fmt.Sprintf("CREATE TRIGGER %s %s ON %s FOR EACH ROW EXECUTE FUNCTION %s()", sqltext.Ident(h.Trigger), h.When,
			h.Table.SQL(), h.Function.SQL()))
}

// Drop takes both away.
func (h Helper) Drop() []string {
	drop := []string{fmt.Sprintf("DROP FUNCTION IF EXISTS %s()", h.Function.SQL())}
	if h.Trigger == "" {
		return drop
	}
	return append([]string{fmt.Sprintf("DROP TRIGGER IF EXISTS %s ON %s", sqltext.Ident(h.Trigger), h.Table.SQL())},
		drop...)
}

// Missing says what is wrong with a helper in the database, "" when it stands: its trigger
// is there and enabled, and its function is ours, and runs with the rights of a role that
// policies do not bind.
func (v *View) Missing(h Helper) string {
	t := v.Relation(h.Table)
	if t == nil {
		return "there is no table " + h.Table.String()
	}
	if h.Trigger != "" {
		if why := missingTrigger(t, h); why != "" {
			return why
		}
	}
	return v.missingFunction(h)
}

func missingTrigger(t *catalog.Relation, h Helper) string {
	at := slices.IndexFunc(t.Triggers, func(x catalog.Trigger) bool {
		return x.Name == h.Trigger && x.Function == h.Function
	})
	if at < 0 {
		return "there is no trigger " + h.Trigger
	}
	switch found := t.Triggers[at]; {
	case found.Enabled != "origin" && found.Enabled != "always":
		return "trigger " + h.Trigger + " is " + found.Enabled
	case !strings.Contains(strings.ToUpper(found.Definition), strings.ToUpper(h.When+" ON ")):
		return "trigger " + h.Trigger + " does not run " + h.When
	case strings.Contains(found.Definition, " WHEN ("):
		return "trigger " + h.Trigger + " has a condition"
	}
	return ""
}

func (v *View) missingFunction(h Helper) string {
	all := v.Functions(h.Function)
	if len(all) != 1 {
		return "there is no function " + h.Function.String()
	}
	f := all[0]
	owner := v.Role(f.Owner)
	switch {
	case !f.Definer:
		return h.Function.String() + " is not SECURITY DEFINER"
	case owner == nil || !owner.BypassRLS && !owner.Super:
		return h.Function.String() + " belongs to a role that policies bind"
	case f.Body != h.Body && !v.asked(h, f.Body) && !h.doneBy(f.Body):
		return h.Function.String() + " is not as moat wrote it"
	}
	return ""
}

// doneBy reports whether a body of a team's own does what the helper does, by what it
// cannot do without. That it does so rightly, the rows tell.
func (h Helper) doneBy(body string) bool {
	body = strings.ToLower(body)
	lacks := func(word string) bool { return !strings.Contains(body, word) }
	return len(h.Needs) > 0 && !slices.ContainsFunc(h.Needs, lacks)
}

// asked reports whether a body is that of a function that policies ask, as sealed mode may have
// rewritten it.
func (v *View) asked(h Helper, body string) bool {
	return h.Trigger == "" && v.spelled(body) == v.spelled(h.Body)
}
