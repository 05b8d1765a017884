package policy

import (
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// While a table is observed its restrictive policies are for a role that nothing binds,
// and stand-ins are for everybody: each holds where the policy it stands in for holds, and
// elsewhere notes the statement and holds as well. A permissive policy lets in, and notes,
// whom no other lets in. docs/decisions/0009 has the measurements.
const (
	lets = moat.ObservePolicy
	// letsForced is its name where the table had FORCE, but not ENABLE, before.
	letsForced = moat.ObservePolicy + " forced"
	standIn    = moat.ObservePolicy + ": "
	// aside is the role of a policy that a stand-in stands in for: it comes with
	// PostgreSQL, and its members can do anything to the server as it is.
	aside = "pg_execute_server_program"
)

// The reasons of a note.
const (
	ReasonRow       = "row"       // it meets rows that would be hidden
	ReasonWrite     = "write"     // it writes a row that would be refused
	ReasonRole      = "role"      // no policy lets the role in
	ReasonPartition = "partition" // it names a partition, which only its parent may be read through
)

// Observer writes what has one table observed.
type Observer struct {
	Table *catalog.Relation
	// Counter is a materialized view of two rows: the server counts how often it is scanned.
	Counter catalog.QName
	// Tenant is the expression that is the current tenant as text; "" where there is no
	// single one.
	Tenant string
	// Partition is true for a partition, which gets no policies of its own.
	Partition bool
	// Restrictive are the restrictive policies that will bind the table.
	Restrictive []catalog.Policy
	// Owner is set where row-level security binds everybody but the owner already: only
	// the owner is observed.
	Owner string
}

// Begin returns the statements that begin it, and those that end it.
func (o Observer) Begin() (do, undo []string) {
	q := o.Table.QName()
	do = []string{"CREATE MATERIALIZED VIEW " + o.Counter.SQL() + " AS VALUES (1), (2)"}
	state := "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
	end := "DISABLE ROW LEVEL SECURITY"
	switch {
	case o.Owner != "":
		state, end = "FORCE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY"
	case !o.Table.ForceRLS:
		end += ", NO FORCE ROW LEVEL SECURITY"
	}
	undo = []string{"ALTER TABLE " + q.SQL() + " " + end}
	for _, p := range o.Restrictive {
		do = append(do, o.standIn(p)...)
		undo = append(undo, Drop(q, nameOf(p)))
		if o.Owner == "" {
			undo = append(undo, alterRoles(q, p.Name, p.Roles))
		}
	}
	name, roles, expr := lets, []string{o.Owner}, o.letIn()
	if o.Table.ForceRLS && o.Owner == "" {
		name = letsForced
	}
	do = append(do, Create(q, name, true, "ALL", roles, expr, expr), "ALTER TABLE "+q.SQL()+" "+state)
	return do, append(undo, Drop(q, name), "DROP MATERIALIZED VIEW IF EXISTS "+o.Counter.SQL())
}

// nameOf is the name of a policy's stand-in.
func nameOf(p catalog.Policy) string { return sqltext.Name(standIn + p.Name) }

func (o Observer) standIn(p catalog.Policy) []string {
	q := o.Table.QName()
	var using, check string
	if p.Using != nil {
		using = o.orNoted(p.Using.Text, ReasonRow)
	}
	if p.Check != nil {
		check = o.orNoted(p.Check.Text, ReasonWrite)
	}
	if o.Owner != "" {
		return []string{Create(q, nameOf(p), false, p.Command, []string{o.Owner}, using, check)}
	}
	return []string{Create(q, nameOf(p), false, p.Command, p.Roles, using, check),
		fmt.Sprintf("ALTER POLICY %s ON %s TO %s", sqltext.Ident(p.Name), q.SQL(), aside)}
}

// orNoted adds the branch that notes. The planner must think it dear: a condition of the
// statement's own that is leakproof and cheap is then asked first, so that a statement that
// names its tenant notes nothing while it passes other tenants' rows by.
func (o Observer) orNoted(expr, reason string) string {
	return "(" + expr + ") OR " + holds(o.noted(reason), 24)
}

// letIn lets everybody in. Without a tenant the stand-ins have noted the statement. It comes
// after a plain condition of the statement's own, and is asked of few rows that fail it.
func (o Observer) letIn() string {
	if o.Partition {
		return holds(o.noted(ReasonPartition), 3)
	}
	return holds(fmt.Sprintf("SELECT CASE WHEN %s THEN (%s) ELSE 0 END", o.hasTenant(), o.noted(ReasonRole)), 3)
}

// holds is true whatever a query returns. The planner takes it for half as many operators
// as there are zeros, and must think that it nearly always holds, or it would count on fewer rows.
func holds(query string, zeros int) string {
	return fmt.Sprintf("((%s) = ANY ('{%s0}'::bigint[])) IS NOT NULL", query, strings.Repeat("0,", zeros-1))
}

// noted calls the function that notes, unless the session has noted a statement of this
// text within this second. Nearly every statement of a busy session ends there, so it is
// made of few functions, and of none that is not built in: the executor prepares each of
// them for each statement.
func (o Observer) noted(reason string) string {
	q := o.Table.QName().SQL()
	memory := crc32.ChecksumIEEE([]byte(q + reason))
	return fmt.Sprintf("SELECT CASE WHEN current_setting('moat.n%d_' || (said & 15), true) = said::text THEN 0 "+
		"ELSE moat.noted(%s::regclass, %s::regclass, %s, %s, %d, said) END FROM (SELECT hashtextextended(current_query(), "+
		"date_part('epoch', statement_timestamp())::bigint) AS said OFFSET 0) s", memory, sqltext.Literal(q),
		sqltext.Literal(o.Counter.SQL()), sqltext.Literal(reason), o.hasTenant(), memory)
}

func (o Observer) hasTenant() string {
	if o.Tenant == "" {
		return "true"
	}
	return "(" + o.Tenant + ") IS NOT NULL"
}

// alterRoles gives a policy, where it is still there, its roles.
func alterRoles(q catalog.QName, name string, roles []string) string {
	to := list.Map(roles, sqltext.Role)
	alter := fmt.Sprintf("ALTER POLICY %s ON %s TO %s", sqltext.Ident(name), q.SQL(), strings.Join(to, ", "))
	return "DO " + sqltext.Dollar(fmt.Sprintf("BEGIN\n  IF EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = "+
		"pg_catalog.to_regclass(%s) AND polname = %s) THEN\n    %s;\n  END IF;\nEND",
		sqltext.Literal(q.SQL()), sqltext.Literal(name), alter))
}

// The function that policies note by, and how its comment begins; the time at which the
// observation began follows, as in RFC 3339.
const (
	Noted          = "noted"
	ObservingSince = "observing since "
)

// ObservedSince returns when the observation began, as the comment of the function says;
// the zero time where it does not.
func (v *View) ObservedSince() time.Time {
	for _, f := range v.Functions(catalog.QName{Schema: "moat", Name: Noted}) {
		if since, err := time.Parse(time.RFC3339, strings.TrimPrefix(f.Comment, ObservingSince)); err == nil {
			return since
		}
	}
	return time.Time{}
}

// Observed reports whether a table is observed.
func Observed(r *catalog.Relation) bool { return slices.ContainsFunc(r.Policies, ofObserve) }

func ofObserve(p catalog.Policy) bool { return strings.HasPrefix(p.Name, moat.ObservePolicy) }

// EndObserved returns the statements that make a table's policies again what they were.
// Row-level security stays on.
func EndObserved(r *catalog.Relation) []string {
	sql := list.Pick(r.Policies, func(p catalog.Policy) (string, bool) { return Drop(r.QName(), p.Name), ofObserve(p) })
	for _, p := range asBefore(r).Policies {
		sql = append(sql, alterRoles(r.QName(), p.Name, p.Roles))
	}
	return sql
}

// StopObserved returns those that make the whole table what it was.
func StopObserved(r *catalog.Relation) []string {
	sql, before := EndObserved(r), asBefore(r)
	if !before.ForceRLS {
		sql = append(sql, "ALTER TABLE "+r.QName().SQL()+" NO FORCE ROW LEVEL SECURITY")
	}
	if !before.RLS {
		sql = append(sql, "ALTER TABLE "+r.QName().SQL()+" DISABLE ROW LEVEL SECURITY")
	}
	return sql
}

// Unobserved returns a View of the same database as if no table in it were observed.
func (v *View) Unobserved() *View {
	before := *v.Snapshot
	before.Relations = slices.Clone(before.Relations)
	for i := range before.Relations {
		if r := &before.Relations[i]; Observed(r) {
			*r = asBefore(r)
		}
	}
	return NewView(catalog.NewLookup(&before, v.Model))
}

func asBefore(r *catalog.Relation) catalog.Relation {
	before := *r
	before.Policies = nil
	for _, p := range r.Policies {
		if i := slices.IndexFunc(r.Policies, func(x catalog.Policy) bool { return x.Name == nameOf(p) }); i >= 0 &&
			slices.Equal(p.Roles, []string{aside}) {
			p.Roles = r.Policies[i].Roles
		}
		switch {
		case !ofObserve(p):
			before.Policies = append(before.Policies, p)
		case p.Permissive && slices.Contains(p.Roles, ""):
			before.RLS, before.ForceRLS = false, p.Name == letsForced
		case p.Permissive:
			before.ForceRLS = false
		}
	}
	return before
}
