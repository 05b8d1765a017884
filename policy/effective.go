package policy

import (
	"slices"

	"github.com/moat-db/moat/catalog"
)

// Effect is what the policies of a table, taken together, do to one role and one
// command. PostgreSQL ORs the permissive policies that apply, and ANDs the
// restrictive ones to that.
type Effect struct {
	// Bypass says why no policy binds the role (see [catalog.Lookup.Bypasses]), and is
	// "row-level security is not enabled" where that is so; "" when policies bind.
	Bypass string `json:"bypass,omitempty"`
	// Denied is true when no permissive policy with an expression applies: the
	// command then touches no row.
	Denied bool `json:"denied,omitempty"`
	// Rows is true when the rows that the command reads or changes are the current
	// tenant's, or the caller's own, alone. It is true for INSERT, which reads none.
	Rows bool `json:"rows"`
	// Written is true when the rows that the command leaves behind are the current
	// tenant's. It is true for SELECT and DELETE, which write none.
	Written bool `json:"written"`
	// OpenRows and OpenWritten are the permissive policies that keep Rows and
	// Written from being true.
	OpenRows    []*catalog.Policy `json:"open_rows,omitempty"`
	OpenWritten []*catalog.Policy `json:"open_written,omitempty"`
	// Permissive and Restrictive are the policies that apply.
	Permissive  []*catalog.Policy `json:"permissive,omitempty"`
	Restrictive []*catalog.Policy `json:"restrictive,omitempty"`
}

// Isolated reports whether the command can neither read nor change nor plant a row of
// another tenant, as far as policies go.
func (e Effect) Isolated() bool { return e.Bypass == "" && (e.Denied || e.Rows && e.Written) }

// Effective says what the policies of t do to role and command: SELECT, INSERT,
// UPDATE or DELETE. A policy applies to a role that has the privileges of one it
// names; what the role may become by SET ROLE is asked for by that role's name.
//
// It judges each command by its own policies alone. That an UPDATE which reads a
// column must also pass the SELECT policies is no protection: one without WHERE
// does not read any.
func (v *View) Effective(t *catalog.Relation, role, command string) Effect {
	e := Effect{Bypass: v.Bypasses(role, t)}
	if !t.RLS && e.Bypass == "" {
		e.Bypass = "row-level security is not enabled"
	}
	if e.Bypass != "" {
		return e
	}
	for p := range catalog.Each(t.Policies) {
		if !v.Applies(p, role, command) {
			continue
		}
		if p.Permissive {
			e.Permissive = append(e.Permissive, p)
		} else {
			e.Restrictive = append(e.Restrictive, p)
		}
	}
	e.Rows, e.Written = true, true
	denied := false
	if command != "INSERT" {
		using := func(p *catalog.Policy) *catalog.Expr { return p.Using }
		e.Rows, denied, e.OpenRows = v.combined(t, e, using, v.mayTouch(role, command), role)
	}
	if command == "INSERT" || command == "UPDATE" {
		written, none, open := v.combined(t, e, (*catalog.Policy).WriteExpr, v.mayLeave(role, command), role)
		e.Written, e.OpenWritten = written, open
		denied = denied || none
	}
	e.Denied = denied
	return e
}

// Applies reports whether a policy applies to a role and a command.
func (v *View) Applies(p *catalog.Policy, role, command string) bool {
	if p.Command != "ALL" && p.Command != command {
		return false
	}
	return slices.ContainsFunc(p.Roles, func(name string) bool {
		return name == "" || v.Joined(role, name, catalog.Usage)
	})
}

// combined reports whether the permissive conditions together, or any restrictive one,
// bind the rows; whether there is no permissive condition that can be met; and which
// of the permissive policies are open. enough says which judgement binds a row.
func (v *View) combined(t *catalog.Relation, e Effect, expr func(*catalog.Policy) *catalog.Expr,
	enough func(Judgement) bool, role string,
) (bound, denied bool, open []*catalog.Policy) {
	binds := func(p *catalog.Policy) bool { return enough(v.Judge(expr(p), t)) }
	denied = true
	for _, p := range e.Permissive {
		// A permissive policy without an expression gives nothing.
		if expr(p) == nil || v.Judge(expr(p), t).AlwaysFalse {
			continue
		}
		denied = false
		if !binds(p) {
			open = append(open, p)
		}
	}
	for _, p := range e.Restrictive {
		if expr(p) == nil {
			continue
		}
		if v.Judge(expr(p), t).AlwaysFalse || v.shuts(expr(p), role) {
			return true, true, nil
		}
		if binds(p) {
			return true, denied, nil
		}
	}
	return len(open) == 0, denied, open
}

// Enough reports whether a judgement is enough to bind the rows that a role reads or
// changes by a command, or those that it leaves behind.
func (v *View) Enough(j Judgement, role, command string, written bool) bool {
	if written {
		return v.mayLeave(role, command)(j)
	}
	return v.mayTouch(role, command)(j)
}

// mayTouch says which judgements are enough for the rows that a command reads or changes.
func (v *View) mayTouch(role, command string) func(Judgement) bool {
	tree := v.Model.Shapes.Tree
	wideRole := tree != nil && role == tree.Role
	return func(j Judgement) bool {
		switch {
		case j.Isolates || j.OwnRows:
			return true
		case command == "SELECT":
			return j.Visible || wideRole && j.Wide
		case command == "UPDATE" && j.Editable:
			return true
		}
		return wideRole && tree.Writes && (j.Below || command == "UPDATE" && j.Amended)
	}
}

// mayLeave says which judgements are enough for the rows that a command leaves behind.
func (v *View) mayLeave(role, command string) func(Judgement) bool {
	tree := v.Model.Shapes.Tree
	return func(j Judgement) bool {
		writes := tree != nil && role == tree.Role && tree.Writes
		return j.Isolates || command == "UPDATE" && j.Editable || writes && (j.Below ||
			command == "INSERT" && j.Adopted || command == "UPDATE" && j.Amended)
	}
}
