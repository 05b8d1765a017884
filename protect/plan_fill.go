package protect

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/sqltext"
)

// askFill asks about what stands in the way of a backfill's UPDATE: a trigger that may
// refuse or drop it, or a rule that does something else instead. It would stop half way,
// or leave rows without a tenant.
func (p *planner) askFill(t *table) {
	for _, leaf := range p.physical(t.rel) {
		for _, r := range leaf.Rules {
			if r.Event == "UPDATE" && r.Instead && r.Enabled != "disabled" && !(p.user.Super && r.Enabled == "origin") {
				p.fillStops(leaf, "rule", r.Name, "does something else instead", r.Enabled, "")
			}
		}
		for _, tr := range leaf.Triggers {
			for _, f := range p.Functions(tr.Function) {
				if why := p.stopsFill(tr, f); why != "" {
					p.fillStops(leaf, "trigger", tr.Name, why, tr.Enabled, f.QName().String())
				}
			}
		}
	}
}

var onUpdate = regexp.MustCompile(`^CREATE (CONSTRAINT )?TRIGGER .* (BEFORE|AFTER) ([A-Z ]+ OR )?UPDATE (OR|ON) `)

// stopsFill says what a trigger may do to the UPDATE of a backfill, "" for nothing. A
// superuser's backfill holds back the triggers that are enabled as usual.
func (p *planner) stopsFill(tr catalog.Trigger, f *catalog.Function) string {
	fires := tr.Enabled != "disabled" && (tr.Enabled != "replica" || p.user.Super) &&
		(tr.Enabled != "origin" || !p.user.Super)
	if !fires || !onUpdate.MatchString(tr.Definition) || f.System || f.Schema == Schema || f.Extension != "" ||
		slices.Contains(p.c.Triggers, f.QName().String()) {
		return ""
	}
	u := body.Scan(f)
	if u.Foreign || u.Dynamic {
		return "does what nobody can tell"
	}
	before := strings.Contains(tr.Definition, " BEFORE ") && strings.Contains(tr.Definition, " FOR EACH ROW ")
	for i, t := range u.Tokens {
		loud := slices.ContainsFunc([]string{"notice", "warning", "info", "log", "debug"}, u.At(i+1).Is)
		switch {
		case t.Is("raise") && !loud:
			return "may refuse it"
		case before && t.Is("return") && u.At(i+1).Is("null"):
			return "may drop it"
		}
	}
	return ""
}

func (p *planner) fillStops(r *catalog.Relation, kind, name, why, enabled, function string) {
	q := r.QName()
	alter := "ALTER TABLE " + q.SQL() + " %s " + strings.ToUpper(kind) + " " + sqltext.Ident(name)
	enable := map[string]string{"always": "ENABLE ALWAYS", "replica": "ENABLE REPLICA"}[enabled]
	if enable == "" {
		enable = "ENABLE"
	}
	d := Decision{ID: "fill/" + key(q) + "/" + name, Table: q, Object: name,
		Question: fmt.Sprintf("%s %s of %s meets the UPDATE that fills the tenant column and %s. May it stand?",
			strings.ToUpper(kind[:1])+kind[1:], name, key(q), why),
		Why: fmt.Sprintf("The backfill would stop half way, or rows would be left without a tenant. Switch it off, run moat "+
			"protect --apply, and switch it on again: %s.", fmt.Sprintf(alter, enable)),
		SQL: []string{fmt.Sprintf(alter, "DISABLE")}}
	if function != "" {
		d.Config = fmt.Sprintf("protect: {triggers: [%s]}   # it lets the UPDATE pass", function)
	}
	p.decide(d)
}

// fills reports whether the plan fills a table for which a question of that kind is open.
func (p *Plan) fills(until Group) bool {
	return slices.ContainsFunc(p.Open(), func(d Decision) bool {
		return d.Kind() == "fill" && slices.ContainsFunc(p.Steps, func(s Step) bool {
			return s.Kind == KindBackfill && until.Includes(s.Group)
		})
	})
}
