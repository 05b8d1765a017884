package policy

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// Surrogate reports whether a unique key holds values that nobody chooses: a number that
// the database draws, a uuid or a hash, perhaps beside an instant or the partition key.
// That one is taken tells nothing worth knowing.
func (v *View) Surrogate(r *catalog.Relation, x *catalog.Index) bool {
	drawn := false
	for _, k := range x.Keys {
		c := r.Column(k.Column)
		if c == nil {
			return false
		}
		is := generated(c) || x.Primary && len(x.Keys) == 1 && integer(c)
		if !is && !instant(c) && !slices.Contains(v.Dividing(r), k.Column) {
			return false
		}
		drawn = drawn || is
	}
	return drawn && x.Predicate == ""
}

func generated(c *catalog.Column) bool {
	return c.TypeName.Name == "uuid" || c.TypeName.Name == "bytea" || c.Identity != "" || c.Name == "id" ||
		strings.Contains(c.Default, "nextval(") || strings.Contains(c.Default, "uuid")
}

func integer(c *catalog.Column) bool {
	return c.TypeName.Name == "int8" || c.TypeName.Name == "int4" || c.TypeName.Name == "int2"
}

func instant(c *catalog.Column) bool {
	return c.TypeName.Name == "timestamptz" || c.TypeName.Name == "timestamp"
}

// Unguessable reports whether a unique key holds a uuid or a hash, so that nobody can ask
// for a value of it.
func (v *View) Unguessable(r *catalog.Relation, x *catalog.Index) bool {
	return slices.ContainsFunc(x.Keys, func(k catalog.IndexKey) bool {
		c := r.Column(k.Column)
		return c != nil && (c.TypeName.Name == "uuid" || c.TypeName.Name == "bytea")
	})
}

// Dividing are the columns of a table's partition key, and of its partitions' own.
func (v *View) Dividing(r *catalog.Relation) []string {
	out := slices.Clone(r.PartitionKey.Columns)
	for _, child := range v.Children(r) {
		if child.Partition {
			out = append(out, v.Dividing(child)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Tied reports whether a column of a unique key, own being the tenant's, refers to a
// parent that the same foreign key ties to the row's own tenant: only who knows the key
// of another tenant's parent can meet that tenant's values.
func Tied(r *catalog.Relation, x *catalog.Index, own string, ties func(*catalog.Constraint) bool) bool {
	return slices.ContainsFunc(r.Constraints, func(fk catalog.Constraint) bool {
		return fk.Type == catalog.ForeignKey && ties(&fk) && slices.ContainsFunc(x.Columns(), func(c string) bool {
			return c != "" && c != own && slices.Contains(fk.Columns, c)
		})
	})
}
