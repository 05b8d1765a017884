package why

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// causeOfDenial tells a missing grant from a row that a policy's WITH CHECK refused: the
// server says which of its functions refused.
func (a *asker) causeOfDenial() Cause {
	if strings.HasPrefix(a.err.Routine, "ExecWithCheckOptions") {
		return a.causeOfCheck()
	}
	if strings.HasPrefix(a.err.Routine, "exec_stmt_raise") {
		return a.causeOfTrigger()
	}
	var found []Cause
	for _, r := range a.reads {
		if !r.late {
			found = append(found, a.missing(r)...)
		}
	}
	if len(found) == 0 {
		found = append(found, a.missingSchemas()...)
	}
	if len(found) == 0 {
		found = append(found, a.missingElse()...)
	}
	if len(found) == 0 {
		return Cause{}
	}
	return found[0] // each of them is needed
}

// missing are the rights on a relation that its role lacks.
func (a *asker) missing(r *reading) []Cause {
	kind, q := GrantTable, r.rel.QName()
	if !a.view.HasSchemaPrivilege(r.role, q.Schema, "USAGE") && r.role == a.session.role {
		return []Cause{grantSchema(r.role, q.Schema)}
	}
	for _, right := range r.rights() {
		if !a.view.HasTablePrivilege(r.role, r.rel, right) {
			c := Cause{kind, r.Name, fmt.Sprintf("%s has no %s on %s.", r.role, right, r.Name),
				fmt.Sprintf("GRANT %s ON %s TO %s;", right, q.SQL(), sqltext.Ident(r.role))}
			if r.role != a.session.role {
				c.Kind = ViewOwner
				c.Text = fmt.Sprintf("A view reads %s with the rights of its owner, %s, which has no %s on it.", r.Name, r.role,
					right)
			}
			return []Cause{c}
		}
		if lacks := a.lacking(r, right); len(lacks) > 0 {
			return []Cause{{GrantColumn, r.Name, fmt.Sprintf("%s may %s some columns of %s, not %s.", r.role, right, r.Name,
				strings.Join(lacks, ", ")), fmt.Sprintf("Name only the other columns, or GRANT %s (%s) ON %s TO %s;", right,
				sqltext.Idents(lacks), q.SQL(), sqltext.Ident(r.role))}}
		}
	}
	return nil
}

// rights are those that a statement needs on a relation. To name rows needs SELECT too, but
// a DELETE without WHERE does not.
func (r *reading) rights() []string {
	switch r.Command {
	case "COPY":
		return []string{"INSERT"}
	case "MERGE":
		return []string{"SELECT"}
	case "SELECT":
		return []string{"SELECT"}
	case "INSERT":
		return r.inserting
	}
	return []string{r.Command, "SELECT"}
}

// lacking are the columns that the statement may have named and that the role has no right
// on, where it has one on others: all of them for a star, else those that are named.
func (a *asker) lacking(r *reading, right string) []string {
	var named, all []string
	for _, c := range r.rel.Columns {
		if a.view.HasColumnPrivilege(r.role, r.rel, c.Name, right) {
			continue
		}
		all = append(all, c.Name)
		if a.names(c.Name) {
			named = append(named, c.Name)
		}
	}
	star := slices.ContainsFunc(sqltext.Code(a.SQL), func(t sqltext.Token) bool { return t.Is("*") })
	if len(named) == 0 && star && right == "SELECT" {
		return all
	}
	return named
}

func grantSchema(role, schema string) Cause {
	return Cause{GrantSchema, schema, fmt.Sprintf("%s has no USAGE on the schema %s.", role, schema),
		fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", sqltext.Ident(schema), sqltext.Ident(role))}
}

// missingSchemas are schemas that the statement names and the role may not use.
func (a *asker) missingSchemas() []Cause {
	return list.Pick(a.view.Snapshot.Schemas, func(s catalog.Schema) (Cause, bool) {
		return grantSchema(a.session.role, s.Name),
			a.names(s.Name) && !a.view.HasSchemaPrivilege(a.session.role, s.Name, "USAGE")
	})
}

// missingElse are sequences of the tables written, and functions named.
func (a *asker) missingElse() []Cause {
	var all []Cause
	for s := range catalog.Each(a.view.Snapshot.Relations) {
		if s.Kind == catalog.Sequence && a.draws(s) && !a.view.HasTablePrivilege(a.session.role, s, "USAGE") &&
			!a.view.HasTablePrivilege(a.session.role, s, "UPDATE") {
			all = append(all, Cause{GrantSequence, s.QName().String(), fmt.Sprintf("%s has no USAGE on the sequence %s.",
				a.session.role, s.QName()), fmt.Sprintf("GRANT USAGE ON SEQUENCE %s TO %s;", s.QName().SQL(),
				sqltext.Ident(a.session.role))})
		}
	}
	for f := range catalog.Each(a.view.Snapshot.Functions) {
		if !f.System && a.calls(f.Name) && !a.view.HasFunctionPrivilege(a.session.role, f) {
			all = append(all, Cause{GrantFunction, f.Signature(), fmt.Sprintf("%s has no EXECUTE on %s.", a.session.role,
				f.Signature()), fmt.Sprintf("GRANT EXECUTE ON FUNCTION %s TO %s;", f.Signature(), sqltext.Ident(a.session.role))})
		}
	}
	return all
}

// draws reports whether the statement inserts into a table whose default draws from a
// sequence. An identity column needs no right on its own.
func (a *asker) draws(s *catalog.Relation) bool {
	if a.names(s.Name) {
		return true
	}
	return slices.ContainsFunc(a.reads, func(r *reading) bool {
		return r.Command == "INSERT" && slices.ContainsFunc(r.rel.Columns, func(c catalog.Column) bool {
			return c.Identity == "" && strings.Contains(c.Default, "nextval(") && strings.Contains(c.Default, s.Name)
		})
	})
}
