package protect

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/migrations/tools"
	"github.com/moat-db/moat/internal/sqltext"
)

//go:embed sql/guard.sql
var guardBody string

//go:embed sql/guard_drop.sql
var guardDropBody string

//go:embed sql/guard_holds.sql
var guardHoldsBody string

//go:embed sql/guard_reads.sql
var guardReadsBody string

//go:embed sql/guard_remember.sql
var guardRememberBody string

// The event triggers of the guard.
const (
	guardTrigger     = "moat_guard"
	guardDropTrigger = "moat_guard_drop"
)

// guardTags are the commands after which the guard looks. CREATE TABLE AS and
// SELECT INTO have tags of their own.
func guardTags() []string {
	return []string{"CREATE TABLE", "CREATE TABLE AS", "SELECT INTO", "ALTER TABLE", "CREATE SCHEMA", "CREATE POLICY",
		"ALTER POLICY",
		"CREATE VIEW", "ALTER VIEW", "CREATE MATERIALIZED VIEW"}
}

// guards plans the event triggers and the search functions.
func (p *planner) guards() {
	p.guard()
	p.searches()
}

func (p *planner) guard() {
	if p.guardStands() || len(p.tables) == 0 {
		return
	}
	step := Step{ID: "guards/event-triggers", Group: GroupGuards, Superuser: true,
		Title: "create event triggers that close new tables and protect the policies",
		SQL:   p.guardSQL(), Undo: undoGuard(),
		Hazards: []string{"a new table in a protected schema looks empty to everyone until it has policies",
			"DDL that weakens the isolation fails, even for superusers"},
		Reason: "otherwise the next migration's table would be open; event triggers do not see ALTER ROLE, GRANT and " +
			"TRUNCATE, so audit from time to time"}
	if !p.user.Super {
		p.leave(Left{Title: step.Title, Reason: "only a superuser may create event triggers", SQL: step.SQL})
		return
	}
	p.add(step)
}

// guardFunction is one function of the guard.
type guardFunction struct {
	signature, returns, language, body string
}

func (p *planner) guardFunctions() []guardFunction {
	body := strings.NewReplacer(":schemas", "ARRAY["+p.schemaList()+"]::name[]", ":tools",
		p.leftOpen(),
		":application", sqltext.Literal(p.c.Roles.Application)).Replace(guardBody)
	return []guardFunction{
		{"holds(oid, name, text)", "boolean", "sql STABLE", guardHoldsBody},
		{"reads_protected(oid)", "boolean", "sql STABLE", guardReadsBody},
		{"remember(regclass)", "void", "plpgsql", guardRememberBody},
		{"guard()", "event_trigger", "plpgsql", body},
		{"guard_drop()", "event_trigger", "plpgsql", guardDropBody},
	}
}

// guardSQL creates everything in one go. The functions belong to whoever applies
// the plan, a superuser; nobody else may call or replace them.
func (p *planner) guardSQL() []string {
	sql := []string{"CREATE TABLE IF NOT EXISTS moat.protected (\n  relation   regclass NOT NULL,\n  policy     name " +
		"NOT NULL,\n  expression text NOT NULL,\n  PRIMARY KEY (relation, policy)\n)"}
	for _, f := range p.guardFunctions() {
		sql = append(sql, fmt.Sprintf("CREATE OR REPLACE FUNCTION moat.%s RETURNS %s LANGUAGE %s SECURITY DEFINER\n  SET "+
			"search_path = pg_catalog, pg_temp AS %s",
			f.signature, f.returns, f.language, sqltext.Dollar(f.body)),
			fmt.Sprintf("REVOKE ALL ON FUNCTION moat.%s FROM PUBLIC", f.signature))
	}
	tags := guardTags()
	for i, tag := range tags {
		tags[i] = sqltext.Literal(tag)
	}
	sql = append(sql, eachKept("GRANT SELECT ON moat.%I TO "+sqltext.Ident(p.c.Roles.Operator)))
	sql = append(sql, dropGuards()...)
	return append(sql,
		"SELECT moat.remember(c.oid::regclass) FROM pg_catalog.pg_class c\n"+
			"  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace\n"+
			"  WHERE c.relrowsecurity AND c.relforcerowsecurity AND c.relkind IN ('r', 'p')\n"+
			"    AND n.nspname IN ("+p.schemaList()+")",
		fmt.Sprintf("CREATE EVENT TRIGGER %s ON ddl_command_end\n  WHEN TAG IN (%s)\n  EXECUTE FUNCTION moat.guard()",
			guardTrigger, strings.Join(tags, ", ")),
		fmt.Sprintf("CREATE EVENT TRIGGER %s ON sql_drop EXECUTE FUNCTION moat.guard_drop()", guardDropTrigger),
		fmt.Sprintf("ALTER EVENT TRIGGER %s ENABLE ALWAYS", guardTrigger),
		fmt.Sprintf("ALTER EVENT TRIGGER %s ENABLE ALWAYS", guardDropTrigger))
}

// schemaList quotes the schemas that the guard watches: those with tables of
// tenants.
func (p *planner) schemaList() string {
	quoted := list.Pick(p.m.Schemas, func(schema string) (string, bool) {
		return sqltext.Literal(schema), slices.ContainsFunc(p.tables, func(t *table) bool { return t.rel.Schema == schema })
	})
	return strings.Join(quoted, ", ")
}

// leftOpen is the condition of tables that the guard does not close: closed to their own
// tool, they would make it start from the beginning.
func (p *planner) leftOpen() string {
	names := list.Map(p.c.LeaveOpen, sqltext.Literal)
	return "(n.nspname || '.' || c.relname = ANY (ARRAY[" + strings.Join(names, ", ") + "]::text[])\n  OR " +
		tools.StateSQL(sqltext.Literal) + ")"
}

func dropGuards() []string {
	return []string{"DROP EVENT TRIGGER IF EXISTS " + guardTrigger, "DROP EVENT TRIGGER IF EXISTS " + guardDropTrigger}
}

func undoGuard() []string {
	return append(dropGuards(), "DROP FUNCTION IF EXISTS moat.guard(), moat.guard_drop(), moat.remember(regclass), "+
		"moat.reads_protected(oid), moat.holds(oid, name, text)",
		"DROP TABLE IF EXISTS moat.protected")
}

// guardStands reports whether the guard is there as this plan would make it.
func (p *planner) guardStands() bool {
	always := func(trigger, function string) bool {
		return slices.ContainsFunc(p.s.Events, func(e catalog.EventTrigger) bool {
			return e.Name == trigger && e.Enabled == "always" && e.Function == own(function)
		})
	}
	if !always(guardTrigger, "guard") || !always(guardDropTrigger, "guard_drop") {
		return false
	}
	for _, f := range p.guardFunctions() {
		bare, _, _ := strings.Cut(f.signature, "(")
		if found := p.Functions(own(bare)); len(found) == 0 || found[0].Body != f.body {
			return false
		}
	}
	return true
}

func (p *planner) guardExists() bool {
	return slices.ContainsFunc(p.s.Events, func(e catalog.EventTrigger) bool { return e.Name == guardTrigger })
}

// forget lets a step replace walls in one transaction: the guard lets nobody drop them.
func (p *planner) forget(q catalog.QName) []string {
	if !p.guardExists() || !p.user.Super {
		return nil
	}
	return []string{"DELETE FROM moat.protected WHERE relation = " + sqltext.Literal(q.SQL()) + "::regclass"}
}

// guarded tells a guard that is there already of the state that a step leaves; only
// a superuser may. The guard refuses none of what a plan does; undo takes it down
// first.
func (p *planner) guarded(s Step) Step {
	if p.guardExists() && p.user.Super {
		s.SQL = append(s.SQL, fmt.Sprintf("SELECT moat.remember(%s::regclass)", sqltext.Literal(s.Table.SQL())))
	}
	return s
}
