package why

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// causeOfCheck explains a row that a WITH CHECK refused.
func (a *asker) causeOfCheck() Cause {
	if c := a.causeOfUnset(); c.Kind != "" {
		return c
	}
	r := a.written()
	if r == nil {
		return Cause{}
	}
	for _, command := range r.commands() {
		if e := a.view.Effective(r.rel, r.role, command); e.Denied {
			return a.denied(r, command)
		}
	}
	if p := a.blamed(r); p != nil && !a.walls(r, p) {
		return Cause{WithCheck, r.Name + "." + p.Name, fmt.Sprintf("The row that the statement leaves in %s does not meet "+
			"the policy %s: %s.", r.Name, p.Name, p.WriteExpr().Text), ""}
	} else if p == nil && !a.wallAlone(r) {
		return Cause{}
	}
	column := a.tenantColumn(r)
	if column == nil {
		return Cause{}
	}
	if a.verb() == "INSERT" && !a.names(column.Name) && column.Default == "" && hasColumnList(a.SQL) {
		return Cause{WithCheck, r.Name, fmt.Sprintf("The row has no tenant: the statement does not give %s, and the column "+
			"has no default.", column.Name), "moat protect gives the column a default, the current tenant."}
	}
	return Cause{WithCheck, r.Name, fmt.Sprintf("The row that the statement leaves in %s is not the tenant's: %s has "+
		"another value.", r.Name, column.Name), "Leave " + column.Name + " out, so that its default fills it, or bind " +
		"the tenant whose row it is."}
}

// hasColumnList reports whether an INSERT names its columns.
func hasColumnList(sql string) bool {
	tokens := sqltext.Code(sql)
	at := slices.IndexFunc(tokens, func(t sqltext.Token) bool { return t.Is("into") })
	for i := at + 1; at >= 0 && i < len(tokens); i++ {
		switch {
		case tokens[i].Is("("):
			return true
		case tokens[i].Is("values"), tokens[i].Is("select"), tokens[i].Is("default"):
			return false
		}
	}
	return false
}

// written is the one table that the statement writes.
func (a *asker) written() *reading {
	var found *reading
	for _, r := range a.reads {
		if r.Command != "SELECT" && !r.late && r.rel.IsTable() {
			if found != nil {
				return nil
			}
			found = r
		}
	}
	return found
}

// blamed is the restrictive policy that the server names, in whatever language; nil for
// none, or more than one that it may be.
func (a *asker) blamed(r *reading) *catalog.Policy {
	var found *catalog.Policy
	restrictive, _ := a.policies(r)
	for _, p := range restrictive {
		if !strings.Contains(a.err.Message, p.Name) {
			continue
		}
		if found != nil {
			return nil
		}
		found = p
	}
	return found
}

// walls reports whether a policy asks of a row that is written that it is the tenant's, and
// nothing else.
func (a *asker) walls(r *reading, p *catalog.Policy) bool {
	e := p.WriteExpr()
	return e != nil && a.view.Judge(e, r.rel).Isolates && len(e.Root.Conjuncts()) == 1
}

// wallAlone reports whether the tenant's wall is the only condition on what is written. What
// reads rows asks the policies of SELECT of the new row too.
func (a *asker) wallAlone(r *reading) bool {
	restrictive, permissive := a.policies(r)
	walls := 0
	for _, p := range slices.Concat(restrictive, permissive) {
		if p.Command == "DELETE" {
			continue
		}
		e := p.WriteExpr()
		switch {
		case a.walls(r, p):
			walls++
		case e != nil && !a.view.Judge(e, r.rel).AlwaysTrue && policy.GateRoles(p.Using) == nil:
			return false
		}
	}
	return walls > 0
}
