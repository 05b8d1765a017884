package watch

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
)

func (f Facts) relations(s *catalog.Snapshot) {
	for r := range catalog.Each(s.Relations) {
		if r.Partition && len(r.ParentNames) > 0 {
			f.partition(r)
			continue
		}
		f.relation(r, r.QName().String())
	}
}

// partition adds what is so of a partition under a name that those like it share.
func (f Facts) partition(r *catalog.Relation) {
	own := Facts{}
	own.relation(r, "it")
	own.drop("table it")
	own.add("table", "it", isolation(r))
	text := list.Join(slices.Sorted(maps.Keys(own)), "\n", func(name string) string { return name + ": " + own[name] })
	f.add("partitions", fmt.Sprintf("of %s like %s", r.ParentNames[0], short(text)), text)
}

func (f Facts) drop(name string) { delete(f, name) }

func isolation(r *catalog.Relation) string {
	return "owner " + r.Owner + ", row-level security " + onOff(r.RLS, r.ForceRLS)
}

func onOff(on, forced bool) string {
	switch {
	case on && forced:
		return "on and forced"
	case on:
		return "on, not for the owner"
	case forced:
		return "off, forced once it is on"
	}
	return "off"
}

// relation adds a relation and all that hangs on it.
func (f Facts) relation(r *catalog.Relation, name string) {
	switch r.Kind {
	case catalog.View, catalog.MaterializedView:
		f.add(string(r.Kind), name, fmt.Sprintf("owner %s, %s, query %s", r.Owner, yes("security invoker", r.SecurityInvoker,
			"security barrier", r.SecurityBarrier, "check option "+r.CheckOption, r.CheckOption != ""), short(r.Definition)))
	case catalog.Sequence:
		f.add("sequence", name, "owner "+r.Owner)
	default:
		f.add("table", name, isolation(r)+yesIf(", foreign, on "+r.Server, r.Server != ""))
	}
	f.grants(name, r.Privileges)
	for i := range r.Columns {
		f.column(r, &r.Columns[i], name)
	}
	for i := range r.Policies {
		f.add("policy", name+"."+r.Policies[i].Name, policyText(&r.Policies[i]))
	}
	f.parts(r, name)
}

func yesIf(text string, is bool) string {
	if is {
		return text
	}
	return ""
}

func (f Facts) column(r *catalog.Relation, c *catalog.Column, name string) {
	f.grants("column "+name+"."+c.Name, c.Privileges)
	if !r.IsTable() {
		return
	}
	text := c.Type + yesIf(" not null", c.NotNull) + yesIf(" default "+c.Default, c.Default != "") +
		yesIf(" collate "+c.Collation, c.Collation != "") + yesIf(" identity "+c.Identity, c.Identity != "") +
		yesIf(" generated "+c.Generated, c.Generated != "")
	f.add("column", name+"."+c.Name, text)
}

func policyText(p *catalog.Policy) string {
	roles := list.Map(p.Roles, func(role string) string { return cmp.Or(role, "PUBLIC") })
	slices.Sort(roles)
	text := "restrictive"
	if p.Permissive {
		text = "permissive"
	}
	text += " for " + p.Command + " to " + strings.Join(roles, ", ")
	if p.Using != nil {
		text += " using " + p.Using.Text
	}
	if p.Check != nil {
		text += " with check " + p.Check.Text
	}
	return text
}

// parts adds keys, triggers and rules: what may carry a change to another tenant's rows. The
// bounds of partitions are none.
func (f Facts) parts(r *catalog.Relation, name string) {
	for _, c := range r.Constraints {
		if c.Type != catalog.NotNull && !c.Inherited {
			f.add("constraint", name+"."+c.Name, c.Definition+yesIf(" (not validated)", !c.Validated))
		}
	}
	for _, t := range r.Triggers {
		if !t.Inherited {
			f.add("trigger", name+"."+t.Name, t.Enabled+": "+t.Definition)
		}
	}
	for _, x := range r.Rules {
		f.add("rule", name+"."+x.Name, x.Enabled+": "+x.Definition)
	}
	for _, x := range r.Indexes {
		if x.Unique && !x.Constraint && !x.Inherited {
			f.add("unique index", name+"."+x.Name, x.Definition)
		}
	}
}
