package database

import (
	"context"
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/prove"
)

// hold switches off, for the length of the stage's transaction, each trigger that reaches
// outside it. In a table where that fails no row is planted or changed.
func (s *stage) hold(ctx context.Context) {
	if s.Disposable || s.outside.events() != "" { // ALTER TABLE would fire those
		return
	}
	for r := range catalog.Each(s.view.Snapshot.Relations) {
		for j := range r.Triggers {
			if g := &r.Triggers[j]; g.Enabled != "disabled" && r.IsTable() {
				s.holdOne(ctx, r, g)
			}
		}
	}
	s.outside.forget()
}

func (s *stage) holdOne(ctx context.Context, r *catalog.Relation, g *catalog.Trigger) {
	why := s.outside.trigger(g)
	if why == "" {
		return
	}
	off := "ALTER TABLE " + table(r.QName()) + " DISABLE TRIGGER " + sqltext.Ident(g.Name)
	if _, err := s.operator.guarded(ctx, off); err != nil {
		s.report.Skip(fmt.Sprintf("trigger %s on %s cannot be held back (%s), so nothing was written there: %s", g.Name,
			r.QName(), prove.Message(err), why))
		return
	}
	s.outside.held[g] = true
	s.operator.held = append(s.operator.held, off)
	s.report.Skip(fmt.Sprintf("trigger %s on %s was held back: %s (--disposable fires it)", g.Name, r.QName(), why))
}

// release takes the triggers for switched on again, as the rollback has done.
func (o *outside) release() {
	clear(o.held)
	o.unfenced = false
	o.forget()
}
