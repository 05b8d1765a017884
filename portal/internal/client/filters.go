package client

import (
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/portal/internal/schema"
)

// chooser is a select of the filters.
type chooser struct {
	Name, Title string
	Choices     []choice
}

// span is a filter of two ends.
type span struct {
	Column           *schema.Column
	Min, Max         string
	MinName, MaxName string
	Input, Step      string
}

// maxChoices is how many rows of a referenced table a select offers.
const maxChoices = 200

// loadChoosers makes the filters of a list: a select for each list of values, boolean
// and reference, two ends for dates and amounts.
func (l *listPage) loadChoosers(v *Visit, tx pgx.Tx) error {
	for _, c := range l.Table.Columns {
		switch {
		case c == l.Table.Status:
		case len(c.Options) > 0:
			l.choose(c, options(c.Options))
		case c.Kind == schema.KindBool:
			l.choose(c, []choice{{Value: "true", Title: "Yes"}, {Value: "false", Title: "No"}})
		case c.Ref != nil:
			choices, err := v.choices(tx, c.Ref)
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
	out := make([]choice, len(values))
	for i, v := range values {
		out[i] = choice{Value: v, Title: schema.OptionTitle(v)}
	}
	return out
}

// pick marks the choice of a value.
func pick(choices []choice, value string) []choice {
	for i := range choices {
		choices[i].On = choices[i].Value == value
	}
	return choices
}

func (l *listPage) choose(c *schema.Column, choices []choice) {
	name := condition{Column: c, Op: "eq"}.name()
	l.Choosers = append(l.Choosers, chooser{name, c.Title, pick(choices, l.Query.value(name))})
}

func (l *listPage) span(c *schema.Column) {
	s := span{Column: c, Input: "date", MinName: condition{Column: c, Op: "min"}.name(),
		MaxName: condition{Column: c, Op: "max"}.name()}
	if c.Numeric() {
		s.Input, s.Step = "number", "any"
	}
	s.Min, s.Max = l.Query.value(s.MinName), l.Query.value(s.MaxName)
	l.Spans = append(l.Spans, s)
}

// choices are the rows of a table for a select, by their names.
func (v *Visit) choices(tx pgx.Tx, t *schema.Table) ([]choice, error) {
	if len(t.Key) != 1 || t.Label == nil {
		return nil, nil
	}
	a := &schema.Arguments{}
	sql := "select t." + t.Key[0].SQL() + "::text, " + t.LabelSQL("t") + " from " + t.SQL() + " t where " +
		query{}.where(v, t, a, nil) + " order by t." + t.Label.SQL() + " limit " + strconv.Itoa(maxChoices)
	var out []choice
	err := v.each(tx, sql, a, func(values []*string) error {
		one := choice{Value: *values[0], Title: *values[0]}
		if title := values[1]; title != nil && *title != "" {
			one.Title = *title
		}
		out = append(out, one)
		return nil
	})
	return out, err
}
