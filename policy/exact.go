package policy

import "github.com/moat-db/moat/catalog"

// Loose says why two values of a column that differ can be equal, "" when they cannot
// or there is no column: then one tenant has two spellings, or two tenants are one.
func (v *View) Loose(c *catalog.Column) string {
	switch {
	case c == nil:
		return ""
	case c.TypeName.Name == "citext":
		return "The tenant column is of type citext"
	case c.TypeName.Name == "bpchar":
		return "The tenant column is of type character(n), which ignores trailing blanks"
	}
	return v.looselyCollated(c)
}

func (v *View) looselyCollated(c *catalog.Column) string {
	for _, o := range v.Snapshot.Collations {
		if !o.Deterministic && c.Collation == o.Schema+"."+o.Name {
			return "The tenant column has the nondeterministic collation " + o.Name
		}
	}
	return ""
}

// exact reports whether a column, as it stands in a comparison, is equal only to what its
// values are equal to byte by byte.
func (a *analyst) exact(own value) bool {
	c := a.t.Column(own.node.Column)
	if c == nil {
		return false
	}
	loose := a.v.looselyCollated(c)
	byType := c.TypeName.Name != "name" && a.v.Loose(c) == loose
	return (own.cast || byType) && (own.collated || loose == "")
}
