package schema

import (
	"slices"
	"strings"
)

// The names that most schemas use, the most telling first.
var (
	labelNames = []string{"name", "title", "full_name", "display_name", "label", "subject", "company", "email", "number",
		"reference", "code", "slug", "body", "kind"}
	createdNames = []string{"created_at", "created", "created_on", "inserted_at", "happened_at", "occurred_at",
		"received_at", "placed_at", "ordered_at", "date", "at", "timestamp", "ts"}
	statusNames = []string{"status", "state", "stage", "phase"}
	sourceNames = []string{"source", "channel", "origin", "type", "category", "kind", "priority"}
	amountNames = []string{"value", "amount", "total", "revenue", "price", "budget", "amount_cents", "total_cents"}
	proseNames  = []string{"note", "body", "description", "comment", "message", "content", "text", "summary", "bio",
		"address"}
)

// choose finds what a row is called, when it came and how far it is, by names that
// most schemas use and by types where they use others.
func (t *Table) choose() {
	moments := isKind(KindMoment, KindLocal, KindDate)
	lists := func(c *Column) bool { return len(c.Options) > 1 }
	first := func(picks ...*Column) *Column {
		i := slices.IndexFunc(picks, func(c *Column) bool { return c != nil })
		if i < 0 {
			return nil
		}
		return picks[i]
	}
	t.Label = first(t.named(isKind(KindText), labelNames), t.First((*Column).isWords))
	if t.Label == nil && len(t.Key) > 0 {
		t.Label = t.Key[0]
	}
	t.Created = first(t.named(moments, createdNames), t.First(func(c *Column) bool { return moments(c) && c.NotNull }))
	t.Status = t.named(lists, statusNames)
	t.Source = first(t.named(lists, sourceNames), t.First(func(c *Column) bool { return lists(c) && c != t.Status }))
	t.Amount = t.named(func(c *Column) bool { return c.Numeric() && !slices.Contains(t.Key, c) }, amountNames)
}

func isKind(kinds ...Kind) func(*Column) bool {
	return func(c *Column) bool { return slices.Contains(kinds, c.Kind) }
}

// isWords says whether the column holds words of no list.
func (c *Column) isWords() bool { return c.Kind == KindText && len(c.Options) == 0 }

// named returns the first column of the names that is fit.
func (t *Table) named(fit func(*Column) bool, names []string) *Column {
	for _, name := range names {
		if c := t.Column(name); c != nil && fit(c) && c.Ref == nil {
			return c
		}
	}
	return nil
}

// First returns the first column that is fit, and neither points elsewhere nor is of
// the key.
func (t *Table) First(fit func(*Column) bool) *Column {
	for _, c := range t.Columns {
		if fit(c) && c.Ref == nil && !slices.Contains(t.Key, c) {
			return c
		}
	}
	return nil
}

// Listed are the columns of a list unless others are asked for: the label first and
// the time last, and between them what says most: no ids, no prose, not too many.
func (t *Table) Listed() []*Column {
	const most = 5
	picked := map[*Column]bool{}
	for _, fit := range []func(*Column) bool{
		func(c *Column) bool { return c == t.Status || c == t.Amount || c == t.Source },
		func(c *Column) bool { return c.Ref != nil },
		func(c *Column) bool { return strings.Contains(c.Name, "email") },
		func(*Column) bool { return true },
	} {
		for _, c := range t.Columns {
			if len(picked) < most && fit(c) && c != t.Label && c != t.Created && !t.dull(c) {
				picked[c] = true
			}
		}
	}
	var out []*Column
	if t.Label != nil {
		out = append(out, t.Label)
	}
	for _, c := range t.Columns {
		if picked[c] {
			out = append(out, c)
		}
	}
	if t.Created != nil && t.Created != t.Label {
		out = append(out, t.Created)
	}
	return out
}

// dull columns are for the page of a row.
func (t *Table) dull(c *Column) bool {
	id := slices.Contains(t.Key, c) && len(t.Columns) > 1 && c.Ref == nil
	return id || c.Kind == KindBytes || c.Kind == KindJSON || c.Long() || c.Name == "updated_at" || c.Name == "slug"
}

// Long says whether the column holds prose.
func (c *Column) Long() bool {
	if c.Kind == KindJSON {
		return true
	}
	if c.Kind != KindText || c.MaxLen > 0 && c.MaxLen <= 200 {
		return false
	}
	return slices.ContainsFunc(proseNames, func(word string) bool { return strings.Contains(c.Name, word) })
}

// Searched are the columns that the search box looks into.
func (t *Table) Searched() []*Column {
	var out []*Column
	for _, c := range t.Columns {
		if c.isWords() && len(out) < 8 {
			out = append(out, c)
		}
	}
	return out
}

// Outcome says what a word of a status list means: "good", "bad", or "" while it is
// open.
func Outcome(word string) string {
	switch strings.ToLower(strings.NewReplacer("_", " ", "-", " ").Replace(word)) {
	case "won", "paid", "done", "closed won", "complete", "completed", "success", "succeeded", "delivered", "active",
		"approved", "accepted", "published", "resolved", "shipped":
		return "good"
	case "lost", "failed", "cancelled", "canceled", "rejected", "closed lost", "declined", "expired", "overdue", "blocked",
		"churned", "error", "void", "refunded":
		return "bad"
	}
	return ""
}
