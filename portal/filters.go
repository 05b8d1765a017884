package portal

import (
	"strconv"

	"github.com/jackc/pgx/v5"
)

// maxChoices is how many rows of a referenced table a select offers.
const maxChoices = 200

// loadChoosers makes the filters of a list: a select for each list of values, boolean
// and reference, two ends for dates and amounts.
func (l *listPage) loadChoosers(v *visit, tx pgx.Tx) error {
	for _, c := range l.Table.Columns {
		switch {
		case c == l.Table.Status:
		case len(c.Options) > 0:
			l.choose(c, options(c.Options))
		case c.kind == kindBool:
			l.choose(c, []choice{{Value: "true", Title: "Yes"}, {Value: "false", Title: "No"}})
		case c.Ref != nil:
			choices, err := c.Ref.choices(v, tx)
			if err != nil {
				return err
			}
			if len(choices) > 0 && len(choices) < maxChoices {
				l.choose(c, choices)
			}
		case c == l.Table.Created, c == l.Table.Amount:
			l.span(c)
		}
	}
	return nil
}

func options(values []string) []choice {
	var out []choice
	for _, v := range values {
		out = append(out, choice{Value: v, Title: optionTitle(v)})
	}
	return out
}

func (l *listPage) choose(c *column, choices []choice) {
	name := condition{Column: c, Op: "eq"}.name()
	now := l.Query.value(name)
	for i := range choices {
		choices[i].On = choices[i].Value == now
	}
	l.Choosers = append(l.Choosers, chooser{Name: name, Title: c.Title, Choices: choices, On: now != ""})
}

func (l *listPage) span(c *column) {
	s := span{Column: c, MinName: condition{Column: c, Op: "min"}.name(), MaxName: condition{Column: c, Op: "max"}.name(), Input: "date"}
	if c.Numeric() {
		s.Input, s.Step = "number", "any"
	}
	s.Min, s.Max = l.Query.value(s.MinName), l.Query.value(s.MaxName)
	l.Spans = append(l.Spans, s)
}

// choices are the rows of a table for a select, by their names.
func (t *table) choices(v *visit, tx pgx.Tx) ([]choice, error) {
	if len(t.Key) != 1 || t.Label == nil {
		return nil, nil
	}
	a := &arguments{}
	where := "true"
	if parts := t.tenantWhere(a, string(v.tenant)); len(parts) > 0 {
		where = parts[0]
	}
	rows, err := tx.Query(v, "select t."+t.Key[0].SQL()+"::text, pg_catalog.\"left\"(t."+t.Label.SQL()+"::text, 80) from "+t.SQL()+
		" t where "+where+" order by t."+t.Label.SQL()+" limit "+strconv.Itoa(maxChoices), a.values...)
	if err != nil {
		return nil, err
	}
	var out []choice
	var id string
	var title *string
	_, err = pgx.ForEachRow(rows, []any{&id, &title}, func() error {
		one := choice{Value: id, Title: id}
		if title != nil && *title != "" {
			one.Title = *title
		}
		out = append(out, one)
		return nil
	})
	return out, err
}
