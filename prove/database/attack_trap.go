package database

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// attackTraps lays what others walk into: a view of its own in the place of a table that
// a definer function names, a body of its own in a function that it owns, and what the
// next table will be open to.
func (s *stage) attackTraps(ctx context.Context) error {
	st := &site{prover: s.prover, a: s.a, b: s.b, s: s.operator, staged: true}
	if err := s.rebind(ctx, st); err != nil {
		return err
	}
	for f := range catalog.Each(s.view.Snapshot.Functions) {
		if f.System || f.Extension != "" || !slices.Contains(s.model.Schemas, f.Schema) && !s.member(f.Owner) {
			continue
		}
		if err := s.run(ctx, st, f.Signature(), slices.Concat(s.trapAttacks(f), s.replaceAttack(f))); err != nil {
			return err
		}
	}
	for _, schema := range s.model.Schemas {
		if err := s.run(ctx, st, "schema "+schema, s.nextTable(schema)); err != nil {
			return err
		}
	}
	return nil
}

// trapAttacks put a temporary view in the place of each table that a definer function
// names without a schema. Its condition is a function of the attacker's, which then runs
// with the definer's rights.
func (s *stage) trapAttacks(f *catalog.Function) []attack {
	if !f.Definer || f.BodyParsed || !s.callable(f) || pathEndsInTemp(f) || s.outside.calling(f) != "" && !s.Disposable {
		return nil
	}
	calls, ok := s.calls(f, s.theirs())
	if !ok || len(calls) == 0 {
		return nil
	}
	var out []attack
	for _, used := range unqualified(f) {
		for _, t := range s.targets {
			if t.rel.Name == used && t.isTable() {
				out = append(out, s.trap(f, t, calls[0]))
			}
		}
	}
	return out
}

// pathEndsInTemp says whether a function looks at temporary tables last.
func pathEndsInTemp(f *catalog.Function) bool {
	return slices.ContainsFunc(f.Settings, func(setting string) bool {
		return strings.HasPrefix(setting, "search_path=") && strings.HasSuffix(strings.Trim(setting, `"`), "pg_temp")
	})
}

func unqualified(f *catalog.Function) []string {
	used := body.Scan(f)
	out := list.Pick(used.Tables, func(t body.Table) (string, bool) { return t.Name, t.Schema == "" })
	return once(out)
}

const trapped = "moat ran as "

func (s *stage) trap(f *catalog.Function, t *target, call string) attack {
	columns := make([]string, len(t.rel.Columns))
	for i, c := range t.rel.Columns {
		// The planner must not find out ahead that the value is NULL.
		columns[i] = "CASE WHEN pg_temp.moat_peek() THEN NULL::" + c.Type + " END AS " + sqltext.Ident(c.Name)
	}
	return attack{name: "shadowed table", steps: []string{
		"CREATE FUNCTION pg_temp.moat_peek() RETURNS boolean LANGUAGE plpgsql AS $moat$BEGIN RAISE NOTICE '" + trapped +
			"%', current_user; RETURN false; END$moat$",
		"GRANT EXECUTE ON FUNCTION pg_temp.moat_peek() TO PUBLIC",
		"CREATE TEMPORARY VIEW " + sqltext.Ident(t.rel.Name) + " AS SELECT " + strings.Join(columns, ", ") +
			" WHERE pg_temp.moat_peek()",
		"GRANT SELECT ON pg_temp." + sqltext.Ident(t.rel.Name) + " TO PUBLIC", call},
		judge: func(o outcome) finding {
			for _, n := range o.notices {
				if strings.Contains(n, trapped) && !strings.Contains(n, trapped+s.role) {
					return leak("a temporary %s took the place of %s in %s, and code of the attacker's ran with the rights of %s: %s",
						t.rel.Name, t.name(), f.Signature(), f.Owner, strings.TrimSpace(n))
				}
			}
			return isolated("the function does not look at temporary tables")
		}}
}

// replaceAttack changes a function that the role owns or can become the owner of: who
// calls it next, an operator or a job, runs the attacker's body with rights of its own.
func (s *stage) replaceAttack(f *catalog.Function) []attack {
	if f.Kind != "function" && f.Kind != "procedure" || !s.member(f.Owner) && f.Owner != s.role {
		return nil
	}
	return []attack{{name: "replace function", steps: []string{"ALTER ROUTINE " + f.QName().SQL() + "(" + f.Arguments +
		") RESET ALL"}, judge: func(outcome) finding {
		return leak("the application role changes the function as its owner, %s: who calls it next runs the attacker's body",
			f.Owner)
	}}}
}

// nextTable asks, for each role whose new tables are granted to the application's, what a
// new table and a new partition in the schema are open to.
func (s *stage) nextTable(schema string) []attack {
	var out []attack
	for _, d := range s.view.Snapshot.Defaults {
		granted := d.Privilege.Grantee == "" || s.member(d.Privilege.Grantee) || d.Privilege.Grantee == s.role
		if d.Object != "tables" || d.Privilege.Name != "SELECT" || !granted || d.Schema != "" && d.Schema != schema ||
			d.Role == s.role || !s.view.HasSchemaPrivilege(d.Role, schema, "CREATE") {
			continue
		}
		name := sqltext.Ident(schema) + ".moat_next"
		made := "CREATE TABLE " + name + " (" + sqltext.Ident(s.model.Column) + " " + s.model.Type + ", note text)"
		out = append(out, s.opened(d.Role, name, made))
		for _, t := range s.targets {
			if t.rel.Kind == catalog.PartitionedTable && t.rel.Owner == d.Role && t.rel.Schema == schema && s.hasNoDefault(t) {
				out = append(out, s.opened(d.Role, name, "CREATE TABLE "+name+" PARTITION OF "+t.sql()+" DEFAULT"))
			}
		}
	}
	return out
}

// hasNoDefault says whether a partitioned table can get a partition for everything else.
func (s *stage) hasNoDefault(t *target) bool {
	return t.rel.PartitionKey.Strategy != "hash" && !slices.ContainsFunc(s.view.Children(t.rel),
		func(r *catalog.Relation) bool { return r.Bound == "DEFAULT" })
}

func (s *stage) opened(role, name, create string) attack {
	setup := []string{"SET LOCAL ROLE " + sqltext.Ident(role), create, s.operator.unbecome()}
	return attack{name: "next table", setup: setup,
		steps: []string{fmt.Sprintf("SELECT 1 FROM pg_catalog.pg_class WHERE oid = %s::regclass AND NOT relrowsecurity AND "+
			"has_table_privilege(oid, 'SELECT')", lit(name))},
		judge: func(o outcome) finding {
			if o.last().n > 0 {
				return leak("the next table or partition that %s creates there is open to every tenant, by default privileges",
					role)
			}
			return isolated("a new table is not open to the application role before it has policies")
		}}
}

// refreshAttack lets B refresh a materialized view that the role owns or maintains, and A
// look at it.
func (s *stage) refreshAttack(st *site) []attack {
	if !st.readable() || !st.reach.owner && !st.reach.maintain {
		return nil
	}
	cols := qualified("x", st.reach.selects)
	steps := slices.Concat([]string{"REFRESH MATERIALIZED VIEW " + st.sql()}, st.asA, []string{"SELECT count(*) FROM " +
		st.sql() + " x WHERE ROW(" + cols + ")::text ~ '" + sown(tagB) + "'"})
	return []attack{{name: "refresh", as: st.asB, steps: steps,
		judge: counted("after tenant B refreshed the materialized view, which the role may, it shows")}}
}

// sown is a regular expression for the values of a tenant's planted rows.
func sown(who rune) string { return tag(who) + "|a0a7" + fmt.Sprintf("%04x", who) + "-" }
