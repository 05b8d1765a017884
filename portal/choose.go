package portal

import (
	"slices"
	"strings"
)

// choose finds what a row is called, when it came and how far it is, by names that
// most schemas use and by types where they use others.
func (t *table) choose() {
	t.Label = t.pick(isKind(kindText), "name", "title", "full_name", "display_name", "label", "subject", "company", "email", "number", "reference", "code", "slug", "body", "kind")
	if t.Label == nil {
		t.Label = t.pick(func(c *column) bool { return c.kind == kindText && len(c.Options) == 0 })
	}
	if t.Label == nil && len(t.Key) > 0 {
		t.Label = t.Key[0]
	}
	moments := isKind(kindMoment, kindLocal, kindDate)
	t.Created = t.pick(moments, "created_at", "created", "created_on", "inserted_at", "happened_at", "occurred_at", "received_at", "placed_at", "ordered_at", "date", "at", "timestamp", "ts")
	if t.Created == nil {
		t.Created = t.pick(func(c *column) bool { return moments(c) && c.NotNull })
	}
	lists := func(c *column) bool { return len(c.Options) > 1 }
	t.Status = t.pick(lists, "status", "state", "stage", "phase")
	t.Source = t.pick(lists, "source", "channel", "origin", "type", "category", "kind", "priority")
	if t.Source == nil {
		t.Source = t.pick(func(c *column) bool { return lists(c) && c != t.Status })
	}
	numbers := func(c *column) bool { return c.Numeric() && !slices.Contains(t.Key, c) }
	t.Amount = t.pick(numbers, "value", "amount", "total", "revenue", "price", "budget", "amount_cents", "total_cents")
}

func isKind(kinds ...kind) func(*column) bool {
	return func(c *column) bool { return slices.Contains(kinds, c.kind) }
}

// pick returns the first column of the names, or the first one where none are given,
// that is fit.
func (t *table) pick(fit func(*column) bool, names ...string) *column {
	for _, name := range names {
		if c := t.Column(name); c != nil && fit(c) && c.Ref == nil {
			return c
		}
	}
	if len(names) > 0 {
		return nil
	}
	for _, c := range t.Columns {
		if fit(c) && c.Ref == nil && !slices.Contains(t.Key, c) {
			return c
		}
	}
	return nil
}

// Listed are the columns of a list unless others are asked for: the label first and
// the time last, and between them what says most: no ids, no prose, not too many.
func (t *table) Listed() []*column {
	const most = 5
	var picked []*column
	take := func(fit func(*column) bool) {
		for _, c := range t.Columns {
			if len(picked) < most && fit(c) && !containsColumn(picked, c) && c != t.Label && c != t.Created && !t.dull(c) {
				picked = append(picked, c)
			}
		}
	}
	take(func(c *column) bool { return c == t.Status || c == t.Amount || c == t.Source })
	take(func(c *column) bool { return c.Ref != nil })
	take(func(c *column) bool { return strings.Contains(c.Name, "email") })
	take(func(*column) bool { return true })
	var out []*column
	if t.Label != nil {
		out = append(out, t.Label)
	}
	for _, c := range t.Columns {
		if containsColumn(picked, c) {
			out = append(out, c)
		}
	}
	if t.Created != nil && t.Created != t.Label {
		out = append(out, t.Created)
	}
	return out
}

// dull columns are for the page of a row.
func (t *table) dull(c *column) bool {
	id := containsColumn(t.Key, c) && len(t.Columns) > 1 && c.Ref == nil
	return id || c.kind == kindBytes || c.kind == kindJSON || c.Long() || c.Name == "updated_at" || c.Name == "slug"
}

// Searched are the columns that the search box looks into.
func (t *table) Searched() []*column {
	var out []*column
	for _, c := range t.Columns {
		if c.kind == kindText && len(c.Options) == 0 && len(out) < 8 {
			out = append(out, c)
		}
	}
	return out
}

// outcome says what a word of a status list means for the colour it gets.
func outcome(word string) string {
	switch strings.ToLower(strings.NewReplacer("_", " ", "-", " ").Replace(word)) {
	case "won", "paid", "done", "closed won", "complete", "completed", "success", "succeeded", "delivered", "active", "approved", "accepted", "published", "resolved", "shipped":
		return "good"
	case "lost", "failed", "cancelled", "canceled", "rejected", "closed lost", "declined", "expired", "overdue", "blocked", "churned", "error", "void", "refunded":
		return "bad"
	}
	return ""
}
