package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
)

// Explanation says how one table was classified, and what is planned for it.
type Explanation struct {
	Table     catalog.QName      `json:"table"`
	Class     catalog.Class      `json:"class"`
	Column    string             `json:"column,omitempty"`
	Why       string             `json:"why"`
	Paths     []string           `json:"paths"`
	Chosen    string             `json:"chosen,omitempty"`
	Steps     []Step             `json:"steps"`
	Decisions []Decision         `json:"decisions"`
	Unchanged []Note             `json:"unchanged"`
	Left      []Left             `json:"left_out"`
	Model     catalog.TableModel `json:"-"`
}

// Why explains a table, named as schema.table or, where one schema only has it, by
// its name alone. It is an error when there is no such table.
func (p *Plan) Why(table string) (*Explanation, error) {
	found := list.Filter(p.Model.Tables, func(tm catalog.TableModel) bool {
		return tm.Table.String() == table || tm.Table.Name == table
	})
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("no table %q in the schemas %s", table, strings.Join(p.Model.Schemas, ", "))
	case len(found) > 1:
		return nil, fmt.Errorf("table %q is in several schemas: name it as schema.table", table)
	}
	tm := found[0]
	e := &Explanation{Table: tm.Table, Class: tm.Class, Column: tm.Column, Why: tm.Why, Model: tm,
		Chosen: p.Chosen[key(tm.Table)],
		Paths:  []string{}, Steps: []Step{}, Decisions: []Decision{}, Unchanged: []Note{}, Left: []Left{}}
	e.Paths = append(e.Paths, list.Map(tm.Paths, pathText)...)
	p.collect(e)
	return e, nil
}

func (p *Plan) collect(e *Explanation) {
	for _, s := range p.Steps {
		if s.Table == e.Table || mentions(s.SQL, e.Table) {
			e.Steps = append(e.Steps, s)
		}
	}
	for _, d := range p.Decisions {
		if d.Table == e.Table {
			e.Decisions = append(e.Decisions, d)
		}
	}
	for _, n := range p.Unchanged {
		if n.Object == e.Table.String() || strings.HasPrefix(n.Object, e.Table.String()+".") {
			e.Unchanged = append(e.Unchanged, n)
		}
	}
	for _, l := range p.Left {
		if mentions(l.SQL, e.Table) {
			e.Left = append(e.Left, l)
		}
	}
}

func mentions(sql []string, q catalog.QName) bool {
	return slices.ContainsFunc(sql, func(s string) bool { return strings.Contains(s, " "+q.SQL()+" ") })
}

func pathText(path catalog.Path) string {
	return list.Join(path, ", ", func(s catalog.Step) string {
		return fmt.Sprintf("%s (%s) → %s", s.From, strings.Join(s.Columns, ", "), s.To)
	})
}
