package catalog

import (
	"cmp"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
)

func (l *loader) constraints(rows pgx.Rows) error {
	type row struct {
		Constraint
		Relation       OID
		ColumnNums     []int16
		Referenced     OID
		ReferencedNums []int16
		DeleteAction   string
		UpdateAction   string
		SetNums        []int16
		OperatorOIDs   []OID
	}
	return each(rows, func(r *row) {
		rel := l.relation(r.Relation)
		if rel == nil {
			return
		}
		c := r.Constraint
		c.Columns = l.names(r.Relation, r.ColumnNums)
		if c.Type == ForeignKey {
			c.References = l.relationName(r.Referenced)
			c.RefColumns = l.names(r.Referenced, r.ReferencedNums)
			c.OnDelete, c.OnUpdate = action(r.DeleteAction), action(r.UpdateAction)
			c.SetColumns = l.names(r.Relation, r.SetNums)
		}
		c.Operators = append(c.Operators, list.Map(r.OperatorOIDs, func(oid OID) string { return l.operators[oid].Name })...)
		rel.Constraints = append(rel.Constraints, c)
		// 18 knows NOT NULL constraints that older rows may break.
		if c.Type == NotNull && !c.Validated && len(c.Columns) > 0 {
			if column := rel.Column(c.Columns[0]); column != nil {
				column.NotNull = false
			}
		}
	})
}

// action is pg_constraint.confdeltype in words.
func action(letter string) string {
	words := map[string]string{"r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}
	return cmp.Or(words[letter], "no action")
}

func (l *loader) operatorClasses(rows pgx.Rows) error {
	return each(rows, func(c *operatorClass) {
		l.classes[c.OID] = *c
	})
}

func (l *loader) indexes(rows pgx.Rows) error {
	type row struct {
		Index
		Relation    OID
		KeyNumber   int16
		ColumnNums  []int16
		Classes     []OID
		OptionBits  []int16
		Expressions []string
		// ExpressionsLeakproof is true when every function in them is leakproof.
		ExpressionsLeakproof bool
		Pages                int64
	}
	return each(rows, func(r *row) {
		rel := l.relation(r.Relation)
		if rel == nil {
			return
		}
		ix := r.Index
		ix.Bytes = r.Pages * blockSize
		columns := l.names(r.Relation, r.ColumnNums)
		for i, name := range columns {
			if i >= int(r.KeyNumber) {
				ix.Include = append(ix.Include, name)
				continue
			}
			key := l.indexKey(r.Classes[i], r.OptionBits[i])
			key.Column = name
			if i < len(r.Expressions) {
				key.Expression = r.Expressions[i]
				key.Leakproof = key.Leakproof && (key.Expression == "" || r.ExpressionsLeakproof)
			}
			ix.Keys = append(ix.Keys, key)
		}
		rel.Indexes = append(rel.Indexes, ix)
	})
}

// indexKey describes a key by its operator class and by the bits of indoption:
// 1 is DESC, 2 NULLS FIRST.
func (l *loader) indexKey(class OID, bits int16) IndexKey {
	c := l.classes[class]
	name := c.Name
	if c.Schema != "pg_catalog" {
		name = c.Schema + "." + c.Name
	}
	return IndexKey{OpClass: name, Descending: bits&1 != 0, NullsFirst: bits&2 != 0, Leakproof: c.Leakproof,
		Nearest: c.Nearest}
}
