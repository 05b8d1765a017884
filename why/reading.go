package why

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// reading is a relation that the statement reads or writes.
type reading struct {
	Table
	rel *catalog.Relation
	// role is the one whose rights and policies count.
	role string
	// late: met only when the statement ran, within a function, a trigger or a key's check.
	late bool
	// asked: a policy of another table reads it, and the statement does not name it.
	asked bool
	// before are the rows that are left before a condition takes any; left is what remains.
	left  int64
	steps []step
	// inserting are the rights that an INSERT needs.
	inserting []string
}

// locked are the relations that the transaction holds locks on: those it has read or written.
const locked = `SELECT n.nspname::text, c.relname::text,
	pg_catalog.bool_or(l.mode IN ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'AccessExclusiveLock'))
FROM pg_catalog.pg_locks l
JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
	AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
GROUP BY 1, 2 ORDER BY 1, 2`

// readings notes the relations that the transaction has locked by now.
func (a *asker) readings(ctx context.Context, tx pgx.Tx, late bool) error {
	rows, _ := tx.Query(ctx, locked)
	var name catalog.QName
	var writes bool
	_, err := pgx.ForEachRow(rows, []any{&name.Schema, &name.Name, &writes}, func() error {
		a.met(name, writes, late)
		return nil
	})
	if err != nil {
		return fmt.Errorf("see what the statement reads: %w", err)
	}
	slices.SortFunc(a.reads, func(x, y *reading) int { return cmp.Compare(x.Name, y.Name) })
	return nil
}

func (a *asker) met(name catalog.QName, writes, late bool) {
	rel := a.view.Relation(name)
	if rel == nil {
		a.unknown("%s is not in the catalog that the operator sees: a temporary table, or one made since.", name)
		return
	}
	if slices.ContainsFunc(a.reads, func(r *reading) bool { return r.rel == rel }) || late && rel.Partition {
		return
	}
	command := "SELECT"
	if writes && !late {
		command = a.verb()
	}
	a.reads = append(a.reads, &reading{Table: Table{Name: name.String(), Command: command}, rel: rel, late: late,
		inserting: a.inserting()})
}

// inserting are the rights that the statement needs as an INSERT: to return rows or to look
// for those in conflict is to read.
func (a *asker) inserting() []string {
	rights := []string{"INSERT"}
	if a.names("returning") || a.names("conflict") {
		rights = append(rights, "SELECT")
	}
	if a.names("conflict") && a.names("update") {
		rights = append(rights, "UPDATE")
	}
	return rights
}

// calls reports whether the statement has the name before an opening parenthesis.
func (a *asker) calls(name string) bool {
	tokens := sqltext.Code(a.SQL)
	for i, t := range tokens[:max(0, len(tokens)-1)] {
		if t.IsName() && t.Name() == name && tokens[i+1].Is("(") {
			return true
		}
	}
	return false
}

// resolveRights says for each relation whose rights count, and what policies do to it.
func (a *asker) resolveRights() {
	for _, r := range a.reads {
		r.role = a.roleFor(r)
		if r.role != a.session.role {
			r.As = r.role
		}
		r.asked = !a.names(r.rel.Name) && slices.ContainsFunc(a.reads, func(other *reading) bool {
			return other != r && a.policiesRead(other, r.rel.QName())
		})
		if r.rel.IsTable() && a.tenants(r) {
			r.Free = a.effect(r).Bypass
		}
	}
}

// tenants reports whether the rows of a table are told apart by tenants.
func (a *asker) tenants(r *reading) bool { return a.view.Class(r.rel.QName()).HasTenants() }

// roleFor is the application's role, but the owner of a view that reads with its rights.
func (a *asker) roleFor(r *reading) string {
	for _, other := range a.reads {
		view := other.rel
		if view.Kind == catalog.View && !view.SecurityInvoker && !a.names(r.rel.Name) &&
			slices.Contains(a.view.Beneath(view.QName()), r.rel.QName()) {
			return view.Owner
		}
	}
	if f := a.definer(); f != nil && r.late && !r.asked {
		return f.Owner
	}
	return a.session.role
}

// definer is the one SECURITY DEFINER function that the statement calls by name; nil where
// there is none or more.
func (a *asker) definer() *catalog.Function {
	var found *catalog.Function
	for f := range catalog.Each(a.view.Snapshot.Functions) {
		if f.System || f.Extension != "" || !f.Definer || !a.names(f.Name) {
			continue
		}
		if found != nil {
			return nil
		}
		found = f
	}
	return found
}

// names reports whether the statement has the name as a token.
func (a *asker) names(name string) bool {
	return slices.ContainsFunc(sqltext.Code(a.SQL), func(t sqltext.Token) bool { return t.IsName() && t.Name() == name })
}

func (a *asker) policiesRead(r *reading, table catalog.QName) bool {
	return slices.ContainsFunc(a.judgements(r), func(j policy.Judgement) bool {
		return slices.Contains(j.Subqueries, table)
	})
}

// commands are those whose policies bind the statement on a table: whatever names a row
// reads it.
func (r *reading) commands() []string {
	switch r.Command {
	case "INSERT":
		return slices.DeleteFunc(slices.Clone(r.inserting), func(right string) bool { return right == "UPDATE" })
	case "COPY":
		return []string{"INSERT"}
	case "UPDATE", "DELETE":
		return []string{"SELECT", r.Command}
	case "MERGE":
		return []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
	}
	return []string{"SELECT"}
}

// policies are those that bind the reading, each once, the restrictive ones first.
func (a *asker) policies(r *reading) (restrictive, permissive []*catalog.Policy) {
	for _, command := range r.commands() {
		e := a.view.Effective(r.rel, r.role, command)
		restrictive, permissive = addNew(restrictive, e.Restrictive), addNew(permissive, e.Permissive)
	}
	return restrictive, permissive
}

func addNew(all, more []*catalog.Policy) []*catalog.Policy {
	for _, p := range more {
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// effect is what policies do to the last of the commands.
func (a *asker) effect(r *reading) policy.Effect {
	commands := r.commands()
	for _, command := range commands {
		if e := a.view.Effective(r.rel, r.role, command); e.Bypass != "" || e.Denied {
			return e
		}
	}
	return a.view.Effective(r.rel, r.role, commands[len(commands)-1])
}

// judgements say what the policies that bind the reading mean.
func (a *asker) judgements(r *reading) []policy.Judgement {
	var all []policy.Judgement
	restrictive, permissive := a.policies(r)
	for _, p := range slices.Concat(restrictive, permissive) {
		all = append(all, list.Map(p.Exprs(), func(e *catalog.Expr) policy.Judgement { return a.view.Judge(e, r.rel) })...)
	}
	return all
}

// lookAtSettings finds the settings that the policies read and that nobody has set.
func (a *asker) lookAtSettings(ctx context.Context, tx pgx.Tx) error {
	for _, r := range a.reads {
		if a.view.Bypasses(r.role, r.rel) != "" {
			continue
		}
		for _, j := range a.judgements(r) {
			for _, name := range j.Settings {
				if slices.Contains(a.unset, name) || strings.HasPrefix(name, "moat.") {
					continue
				}
				var value string
				err := tx.QueryRow(ctx, "SELECT coalesce(pg_catalog.current_setting($1, true), '')", name).Scan(&value)
				if err != nil {
					return fmt.Errorf("read the setting %s: %w", name, err)
				}
				if value == "" {
					a.unset = append(a.unset, name)
				}
			}
		}
	}
	return nil
}
