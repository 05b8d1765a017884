package database

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// bounds are the partition bounds that a row of the relation must fall into one of:
// its own, where it is a partition, else those of its partitions.
func (w *sower) bounds(st *site) (columns []string, texts []string) {
	if st.rel.Partition {
		if parents := w.p.view.Parents(st.rel); len(parents) > 0 {
			return parents[0].PartitionKey.Columns, []string{st.rel.Bound}
		}
	}
	for _, child := range w.p.view.Children(st.rel) {
		if child.Partition {
			texts = append(texts, child.Bound)
		}
	}
	return st.rel.PartitionKey.Columns, texts
}

// partitionValue picks a value for a column of the partition key that some
// partition takes; ok is false for other columns and where any value will do.
func (w *sower) partitionValue(st *site, c *catalog.Column, variant int) (string, bool) {
	columns, texts := w.bounds(st)
	i := slices.Index(columns, c.Name)
	if i < 0 || c.Name == st.tenant {
		return "", false
	}
	var values []string
	for _, text := range texts {
		// A hash takes any value: its numbers are no bounds.
		if found := constants(sqltext.Code(text)); len(found) > i && !strings.HasPrefix(text, "FOR VALUES WITH") {
			values = append(values, found[i])
		}
	}
	if len(values) == 0 {
		return "", false
	}
	return values[variant%len(values)], true
}

// repartition tries another value of the partition key, or, under a hash, another
// key altogether.
func (w *sower) repartition(st *site, by party, r row, variant int) bool {
	columns, _ := w.bounds(st)
	changed := false
	for _, name := range columns {
		c := st.column(name)
		if c == nil || name == st.tenant {
			continue
		}
		v, ok := w.partitionValue(st, c, variant)
		if !ok {
			v, ok = w.maker.value(c, by.who, variant)
		}
		if ok {
			r[name], changed = v, true
		}
	}
	return changed
}

func parseInt(s string) (int, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.Abs(f) > 1e15 {
		return 0, strconv.ErrSyntax
	}
	return int(f), nil
}
