package query

import "github.com/moat-db/moat/api/internal/problem"

// Limits bound what one query string may ask for. A zero field means its default.
type Limits struct {
	// Bytes of the query string; 0 means 16384.
	Bytes int
	// Depth of embeds and of and/or trees; 0 means 8.
	Depth int
	// Embeds in all; 0 means 20.
	Embeds int
	// Items in all select lists; 0 means 500.
	Items int
	// Filters in all; 0 means 200.
	Filters int
	// Values of one in list; 0 means 2000.
	Values int
}

// WithDefaults fills the zero fields.
func (l Limits) WithDefaults() Limits {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Bytes, 16384)
	set(&l.Depth, 8)
	set(&l.Embeds, 20)
	set(&l.Items, 500)
	set(&l.Filters, 200)
	set(&l.Values, 2000)
	return l
}

// budget counts what a request has used.
type budget struct {
	limits                 Limits
	embeds, items, filters int
}

func (b *budget) embed() error {
	b.embeds++
	return over(b.embeds, b.limits.Embeds, "embedded relations")
}

func (b *budget) item() error {
	b.items++
	return over(b.items, b.limits.Items, "selected items")
}

func (b *budget) filter() error {
	b.filters++
	return over(b.filters, b.limits.Filters, "filters")
}

func (b *budget) depth(n int) error { return over(n, b.limits.Depth, "levels of nesting") }

func over(n, limit int, what string) error {
	if n > limit {
		return problem.TooLarge("the request has more than %d %s", limit, what)
	}
	return nil
}
