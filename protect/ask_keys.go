package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/releases"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// askKey asks about a foreign key that no step can give the tenant, unless a person said that
// rows may refer to another tenant's through it.
func (p *planner) askKey(t *table, k catalog.Constraint, d Decision) {
	full := key(t.rel.QName()) + "." + k.Name
	if slices.Contains(p.c.Crossing, full) {
		p.note(full, "stays as it is: protect.crossing_keys lists it")
		return
	}
	d.ID, d.Table, d.Object = "foreign-key/"+key(t.rel.QName())+"/"+k.Name, t.rel.QName(), k.Name
	d.Config = fmt.Sprintf("protect: {crossing_keys: [%s]}   # it may stay as it is", full)
	p.decide(d)
}

// reaches says that one tenant changes another's rows by a key's action, "" when it has none
// that does: the server runs it as the owner of the table, past every policy.
func reaches(k catalog.Constraint) string {
	acts := func(action string) bool { return action != "" && action != "no action" && action != "restrict" }
	const until = " Until then a row can refer to another tenant's row, and ON %s %s changes it when that tenant %s its " +
		"own: no policy applies to that."
	switch {
	case acts(k.OnDelete):
		return fmt.Sprintf(until, "DELETE", strings.ToUpper(k.OnDelete), "deletes")
	case acts(k.OnUpdate):
		return fmt.Sprintf(until, "UPDATE", strings.ToUpper(k.OnUpdate), "updates")
	}
	return ""
}

// otherAction are the statements that give a key an action which one with the tenant can
// have; nil where the action is not what stands in its way.
func (p *planner) otherAction(t *table, k catalog.Constraint) []string {
	clears := func(action string) bool { return action == "set null" || action == "set default" }
	if !clears(k.OnDelete) && !clears(k.OnUpdate) || t.rel.Kind == catalog.PartitionedTable {
		return nil
	}
	k.SetColumns = nil
	if clears(k.OnDelete) {
		k.OnDelete = "restrict"
	}
	if clears(k.OnUpdate) {
		k.OnUpdate = ""
	}
	q, name := t.rel.QName().SQL(), sqltext.Ident(k.Name)
	replace := fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s, ADD CONSTRAINT %s %s NOT VALID", q, name, name,
		k.ForeignKeySQL())
	if k.OnDelete != "restrict" {
		return []string{replace}
	}
	cascade := k
	cascade.OnDelete = "cascade"
	return []string{replace, fmt.Sprintf("-- or, where rows may go with the one they refer to:\nALTER TABLE %s DROP "+
		"CONSTRAINT %s, ADD CONSTRAINT %s %s NOT VALID", q, name, name, cascade.ForeignKeySQL())}
}

// handsOver reports whether this release shows rows of a unique key that tenants share to
// whoever writes ON CONFLICT with another tenant's value.
func (p *planner) handsOver(t *table, x *catalog.Index) bool {
	if !releases.UpsertFixed().Open(p.s.Version) || !x.Valid || deferrable(t.rel, *x) || !p.appMay(t.rel, "INSERT") {
		return false
	}
	return p.appMay(t.rel, "UPDATE") || slices.ContainsFunc(p.applicationMay(t.rel), func(verb string) bool {
		return strings.HasPrefix(verb, "UPDATE (")
	})
}

// askTied asks about the keys of a table that only the release makes a way to other
// tenants' rows.
func (p *planner) askTied(t *table) {
	for x, full := range p.untenanted(t) {
		if slices.Contains(p.c.TenantLedUniques, full) || !policy.Tied(t.rel, x, t.column, p.ties) || !p.handsOver(t, x) {
			continue
		}
		d := Decision{ID: "unique/" + full, Table: t.rel.QName(), Object: x.Name,
			Question: fmt.Sprintf("%s is unique across all tenants. May it be unique within each tenant instead?", x.Name),
			Why: fmt.Sprintf("To meet another tenant's values, one has to know the key of that tenant's row which a foreign "+
				"key here refers to. But on PostgreSQL %s, INSERT … ON CONFLICT then shows the whole row (%s). The tenant in "+
				"the key closes this, and so does the update. %s", releases.Name(p.s.Version), releases.UpsertFlaw,
				releases.UpsertFixed().Update(p.s.Version)),
			Config: fmt.Sprintf("protect: {tenant_led_uniques: [%s]}", full)}
		if f := p.upserting(t, x); f != "" {
			d.Why += wouldFail(t, *x, f)
		}
		p.decide(d)
	}
}

// wouldFail says of a function that it names the columns of a key in ON CONFLICT.
func wouldFail(t *table, x catalog.Index, function string) string {
	return fmt.Sprintf(" %s writes ON CONFLICT (%s), which would fail: put %s into its list in the same change.", function,
		keyList(x), t.column)
}

// noteSurrogates says that keys whose values nobody chooses stay as they are, where this
// release shows rows by them.
func (p *planner) noteSurrogates() {
	var names []string
	for _, t := range p.tables {
		for x := range catalog.Each(t.rel.Indexes) {
			if x.Unique && !x.Inherited && !hasKey(*x, t.column) && t.class == catalog.TenantTable &&
				p.Surrogate(t.rel, x) && !p.Unguessable(t.rel, x) && p.handsOver(t, x) {
				names = append(names, key(t.rel.QName())+"."+x.Name)
			}
		}
	}
	if len(names) == 0 {
		return
	}
	few := strings.Join(names[:min(3, len(names))], ", ")
	if len(names) > 3 {
		few += fmt.Sprintf(" and %d more", len(names)-3)
	}
	p.note("server", fmt.Sprintf("PostgreSQL %s shows a row to whoever writes ON CONFLICT with its key (%s). "+
		"Keys of ids and numbers stay without the tenant: %s. %s", releases.Name(p.s.Version),
		releases.UpsertFlaw, few, releases.UpsertFixed().Update(p.s.Version)))
}
