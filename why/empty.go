package why

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/policy"
)

// causeOfEmptiness asks each table that the statement names for what left nothing of it.
// Where several do, or a join keeps rows without a partner, they must agree.
func (a *asker) causeOfEmptiness() Cause {
	var found []Cause
	known := 0
	for _, r := range a.reads {
		if r.asked || !r.rel.IsTable() || r.late && r.As == "" {
			continue
		}
		known++
		if c := a.causeAt(r); c.Kind != "" {
			found = append(found, c)
		}
	}
	switch {
	case known == 0:
		return Cause{}
	case len(found) == 0:
		return a.causeInStatement()
	case a.plan.outer && len(found) < known:
		return Cause{}
	}
	same := func(c Cause) bool { return c.Kind == found[0].Kind }
	if slices.IndexFunc(found, func(c Cause) bool { return !same(c) }) >= 0 {
		return a.worst(found)
	}
	return found[0]
}

// worst is the cause that stands before all others: a role or a setting that is missing
// leaves nothing, whatever the rows. What else disagrees cannot be told apart.
func (a *asker) worst(found []Cause) Cause {
	for _, kind := range []Kind{NoTenant, WrongSetting, MissingFact, SearchPath, NoPolicy, RoleNotNamed, NoPolicyForIt,
		OwnerForced, ViewOwner} {
		for _, c := range found {
			if c.Kind == kind {
				return c
			}
		}
	}
	return Cause{}
}

// causeAt says what leaves nothing of one table.
func (a *asker) causeAt(r *reading) Cause {
	if other := a.shadowed(r); other != nil && (r.Counts == nil || r.Counts.Tenant == 0) {
		return Cause{SearchPath, r.Name, fmt.Sprintf("The name means %s, which is no table of tenants; %s is one. The "+
			"search_path is %s.", r.Name, other.QName(), strings.Join(a.session.path, ", ")),
			"Name the table with its schema, or put " + other.Schema + " first in the search_path."}
	}
	if r.Free != "" || !r.rel.RLS || a.view.Bypasses(r.role, r.rel) != "" {
		return a.causeInRows(r)
	}
	for _, command := range r.commands() {
		if e := a.view.Effective(r.rel, r.role, command); e.Denied {
			return a.denied(r, command)
		}
	}
	if c := a.causeOfUnset(); c.Kind != "" && a.readsUnset(r) {
		return c
	}
	if a.sealedOff(r) {
		return Cause{NoTenant, r.Name, "No tenant is bound: the policies of " + r.Name + " ask for a sealed one.",
			"Bind the tenant in the transaction, before the statement; here, --tenant does it."}
	}
	return a.causeInRows(r)
}

// readsUnset reports whether a wall of the table reads a setting that is empty.
func (a *asker) readsUnset(r *reading) bool {
	for _, j := range a.judgements(r) {
		if slices.ContainsFunc(j.Settings, func(name string) bool { return slices.Contains(a.unset, name) }) {
			return r.Counts == nil || r.Counts.Visible == nil || *r.Counts.Visible == 0
		}
	}
	return false
}

// sealedOff reports whether a wall of the table asks a trusted function for the tenant, and
// nobody has bound one.
func (a *asker) sealedOff(r *reading) bool {
	return a.Scope.Tenant == "" && len(a.Settings) == 0 && slices.ContainsFunc(a.judgements(r),
		func(j policy.Judgement) bool {
			return j.Isolates && slices.ContainsFunc(j.Functions, func(q catalog.QName) bool {
				return slices.Contains(a.view.Model.Trusted, q)
			})
		})
}

// denied explains that no permissive policy is for the role and the command.
func (a *asker) denied(r *reading, command string) Cause {
	policies := slices.ContainsFunc(r.rel.Policies, func(p catalog.Policy) bool { return p.Permissive })
	forRole := slices.ContainsFunc(r.rel.Policies, func(p catalog.Policy) bool {
		return p.Permissive && slices.ContainsFunc([]string{"SELECT", "INSERT", "UPDATE", "DELETE"}, func(c string) bool {
			return a.view.Applies(&p, r.role, c)
		})
	})
	switch {
	case r.role != a.session.role && r.late:
		return Cause{OwnerForced, r.Name, fmt.Sprintf("The function reads %s as its owner, %s, which FORCE ROW LEVEL "+
			"SECURITY binds: no policy is for it.", r.Name, r.role), "Give the function to a role that may see the rows " +
			"(moat_definer), or make it SECURITY INVOKER."}
	case r.role != a.session.role:
		return Cause{ViewOwner, r.Name, fmt.Sprintf("The view reads %s as its owner, %s, for which there is no policy.",
			r.Name, r.role), "ALTER VIEW … SET (security_invoker = true): then the application's policies count."}
	case !policies:
		return Cause{NoPolicy, r.Name, fmt.Sprintf("Row-level security is on for %s, and no policy lets any row through.",
			r.Name), "moat protect makes the policies; was it applied up to group policies?"}
	case !forRole:
		return Cause{RoleNotNamed, r.Name, fmt.Sprintf("No policy of %s is for %s.", r.Name, r.role),
			"CREATE POLICY … TO " + r.role + ", or connect as the role that the policies name."}
	}
	return Cause{NoPolicyForIt, r.Name, fmt.Sprintf("No policy of %s lets %s %s.", r.Name, r.role, command),
		"CREATE POLICY … FOR " + command + " TO " + r.role}
}

// causeInRows goes by the numbers of rows.
func (a *asker) causeInRows(r *reading) Cause {
	n := r.Counts
	if n == nil || r.Command == "INSERT" {
		return Cause{}
	}
	switch {
	case n.Tenant == 0 && n.Others == 0 && n.Nobody == 0:
		return a.noSuchRow(r)
	case n.Tenant == 0 && n.Partial:
		return Cause{}
	case n.Tenant == 0 && n.Others > 0 && n.Nobody == 0 && r.Free == "":
		return Cause{OtherTenant, r.Name, fmt.Sprintf("The rows of %s that the statement asks for are of other tenants: %s.",
			r.Name, most(n.Others)), "Is it the right tenant, and the right id?"}
	case n.Tenant == 0 && n.Nobody > 0 && n.Others == 0 && r.Free == "":
		return Cause{RowOfNobody, r.Name, fmt.Sprintf("The rows of %s that the statement asks for belong to nobody: %s is "+
			"NULL.",
			r.Name, a.tenantColumn(r).Name), "moat protect fills the column; then make it NOT NULL."}
	case n.Tenant == 0:
		return Cause{}
	case n.Visible != nil && *n.Visible > 0 && (r.Command == "SELECT" || r.left > 0):
		return Cause{}
	}
	return a.causeInPolicies(r)
}

func most(n int64) string {
	if n >= Most {
		return fmt.Sprintf("%d and more", Most)
	}
	return fmt.Sprint(n)
}

func (a *asker) noSuchRow(r *reading) Cause {
	text := fmt.Sprintf("%s has no such row, of any tenant.", r.Name)
	if a.Scope.Tenant == "" {
		text = fmt.Sprintf("%s has no such row.", r.Name)
	}
	return Cause{Statement, r.Name, text, ""}
}

// causeInPolicies names the condition that took the last rows of the tenant.
func (a *asker) causeInPolicies(r *reading) Cause {
	if r.left > 0 {
		return a.causeUncounted(r)
	}
	took := list.Filter(slices.Collect(catalog.Each(r.steps)), func(s *step) bool { return s.rejected > 0 })
	if len(took) == 0 {
		return Cause{}
	}
	if len(took) > 1 {
		return Cause{PolicyTook, r.Name, fmt.Sprintf("Policies of %s took all rows of the tenant, one condition after "+
			"another: see below.", r.Name), ""}
	}
	return a.took(r, took[0])
}

func (a *asker) took(r *reading, s *step) Cause {
	c := Cause{PolicyTook, r.Name + "." + s.name(), fmt.Sprintf("The policy %s of %s took the tenant's rows away: %s.",
		s.name(), r.Name, s.text), ""}
	switch {
	case a.asksMembers(s):
		c.Kind = Membership
		c.Text = fmt.Sprintf("The policy %s of %s asks %s, which does not name the caller.", s.name(), r.Name, asked(s))
		c.Fix = "Is the caller a member of this tenant, and bound as such (--subject)?"
	case deletes(s):
		c.Kind = SoftDelete
		c.Text = fmt.Sprintf("The policy %s of %s hides rows that are marked as deleted: %s.", s.name(), r.Name, s.text)
	}
	return c
}

// asksMembers reports whether a condition looks for the caller in a table of people.
func (a *asker) asksMembers(s *step) bool {
	j := s.judged
	other := func(name string) bool { return !strings.EqualFold(name, a.view.Model.Setting) }
	return len(j.Memberships) > 0 || len(j.Subqueries) == 1 && policy.NamesPeople(j.Subqueries[0].Name) &&
		slices.ContainsFunc(j.Settings, other)
}

func asked(s *step) string {
	if len(s.judged.Memberships) > 0 {
		return s.judged.Memberships[0].Relation.String()
	}
	return s.judged.Subqueries[0].String()
}

// deletes reports whether a condition is that a column which marks what is deleted does not.
func deletes(s *step) bool {
	j, text := s.judged, strings.ToLower(s.text)
	not := strings.HasSuffix(text, " is null") || strings.HasPrefix(text, "not ") ||
		strings.HasSuffix(text, " is not true") || strings.HasSuffix(text, " is false") || strings.HasSuffix(text, "= false")
	return not && len(j.Columns) == 1 && len(j.Settings)+len(j.Subqueries) == 0 && slices.ContainsFunc(
		[]string{"delete", "archive", "trash", "removed"}, func(word string) bool {
			return strings.Contains(strings.ToLower(j.Columns[0]), word)
		})
}

// causeUncounted is for rows that every condition that was counted lets through, and that
// the application does not see: the one condition that was not counted, or that asks a table
// whose own policies show the application less, took them.
func (a *asker) causeUncounted(r *reading) Cause {
	left := list.Filter(slices.Collect(catalog.Each(r.steps)), func(s *step) bool {
		return !s.wall && (!s.countable() || len(s.judged.Subqueries) > 0)
	})
	if r.Counts.Visible == nil || len(left) != 1 || len(r.Taken) > 0 {
		return Cause{}
	}
	return a.took(r, left[0])
}

// causeInStatement is for tables of which the application sees rows that the statement asks
// for: only what joins them, or leaves them out, is left.
func (a *asker) causeInStatement() Cause {
	for _, r := range a.reads {
		if r.asked || r.late {
			continue
		}
		if r.Command != "SELECT" || a.names("locked") { // a trigger, a rule or a lock may have left rows out
			return Cause{}
		}
		if r.Counts == nil || r.Counts.Visible == nil || *r.Counts.Visible == 0 || *r.Counts.Visible != r.Counts.Tenant {
			return Cause{}
		}
	}
	return Cause{Statement, "", "No policy takes away what the statement asks for of its tables: its joins, subqueries, " +
		"LIMIT or OFFSET leave nothing.", ""}
}
