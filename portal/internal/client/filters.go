package client

import (
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/portal/internal/schema"
	"github.com/moat-db/moat/portal/internal/text"
)

// filter is a control of the filters: a select, two ends, or a text to look for.
type filter struct {
	Column      *schema.Column
	Name, Title string
	Choices     []choice // a select
	Span        *span    // two ends
	Value       string   // a text
}

// span is a filter of two ends.
type span struct {
	Min, Max         string
	MinName, MaxName string
	Input, Step      string
}

// chip is a filter that is on, with the address of the list without it.
type chip struct{ Text, Href string }

// maxChoices is how many rows of a referenced table a select offers.
const maxChoices = 200

// operators are what the values of a column can be asked for.
func operators(c *schema.Column) []string {
	null := []string{"null"}
	if c.NotNull {
		null = nil
	}
	switch {
	case c.Ref != nil:
		return append([]string{"eq", "has"}, null...)
	case c.Kind == schema.KindBytes:
		return null
	case c.Kind == schema.KindJSON:
		return append([]string{"has"}, null...)
	case c.Kind == schema.KindText, c.Kind == schema.KindOther:
		return append([]string{"eq", "has"}, null...)
	case c.Kind == schema.KindBool, c.Kind == schema.KindUUID:
		return append([]string{"eq"}, null...)
	}
	return append([]string{"eq", "min", "max"}, null...)
}

// loadFilters makes the filters of a list, for every column: what people filter by most is
// in sight, and the rest behind "More".
func (l *listPage) loadFilters(v *Visit, tx pgx.Tx) error {
	for _, c := range l.Table.Columns {
		if c == l.Table.Status {
			continue
		}
		choices, err := v.filterChoices(tx, c)
		if err != nil {
			return err
		}
		switch f := (filter{Column: c, Title: c.Title}); {
		case len(choices) > 0:
			l.Filters = append(l.Filters, l.choose(f, "eq", choices))
		case c == l.Table.Created, c == l.Table.Amount:
			l.Filters = append(l.Filters, l.span(f))
		default:
			l.More = append(l.More, l.other(f)...)
		}
		if !c.NotNull {
			f := filter{Column: c, Title: c.Title + " is"}
			l.More = append(l.More, l.choose(f, "null", []choice{{Value: "no", Title: "filled in"},
				{Value: "yes", Title: "empty"}}))
		}
	}
	l.chips()
	return nil
}

// filterChoices are the values of a column, where they are few.
func (v *Visit) filterChoices(tx pgx.Tx, c *schema.Column) ([]choice, error) {
	switch {
	case len(c.Options) > 0:
		return options(c.Options), nil
	case c.Kind == schema.KindBool:
		return []choice{{Value: "true", Title: "Yes"}, {Value: "false", Title: "No"}}, nil
	case c.Ref == nil:
		return nil, nil
	}
	choices, err := v.choices(tx, c.Ref)
	if len(choices) >= maxChoices {
		return nil, err
	}
	return choices, err
}

// other is the control of a column without a list of values; none where there is nothing to
// ask.
func (l *listPage) other(f filter) []filter {
	for _, op := range operators(f.Column) {
		switch op {
		case "min":
			return []filter{l.span(f)}
		case "has":
			return []filter{l.text(f, op)}
		}
	}
	if f.Column.Kind == schema.KindUUID {
		return []filter{l.text(f, "eq")}
	}
	return nil
}

func options(values []string) []choice {
	return list.Map(values, func(v string) choice { return choice{Value: v, Title: schema.OptionTitle(v)} })
}

// pick marks the choice of a value.
func pick(choices []choice, value string) []choice {
	for i := range choices {
		choices[i].On = choices[i].Value == value
	}
	return choices
}

func (l *listPage) choose(f filter, op string, choices []choice) filter {
	f.Name = condition{Column: f.Column, Op: op}.name()
	f.Choices = pick(choices, l.Query.value(f.Name))
	return f
}

func (l *listPage) text(f filter, op string) filter {
	f.Name = condition{Column: f.Column, Op: op}.name()
	f.Value = l.Query.value(f.Name)
	return f
}

func (l *listPage) span(f filter) filter {
	c := f.Column
	s := span{Input: "date", MinName: condition{Column: c, Op: "min"}.name(),
		MaxName: condition{Column: c, Op: "max"}.name()}
	switch {
	case c.Numeric():
		s.Input, s.Step = "number", "any"
	case c.Kind == schema.KindTime:
		s.Input = "time"
	case c.Kind == schema.KindInterval:
		s.Input = "text"
	}
	s.Min, s.Max = l.Query.value(s.MinName), l.Query.value(s.MaxName)
	f.Span = &s
	return f
}

// chips say which filters are on, in words.
func (l *listPage) chips() {
	for _, f := range l.Query.Filters {
		if f.Column != l.Table.Status || f.Op != "eq" {
			l.Chips = append(l.Chips, chip{l.words(f), l.href(f.name(), "", "page", "")})
		}
	}
}

func (l *listPage) words(f condition) string {
	value := "“" + text.Clip(f.Value, 40) + "”"
	for _, one := range l.Filters {
		for _, c := range one.Choices {
			if one.Name == f.name() && c.Value == f.Value {
				value = c.Title
			}
		}
	}
	switch f.Op {
	case "min":
		return f.Column.Title + ": from " + f.Value
	case "max":
		return f.Column.Title + ": to " + f.Value
	case "has":
		return f.Column.Title + " contains " + value
	case "null":
		return f.Column.Title + map[bool]string{true: " is filled in", false: " is empty"}[f.Value == "no"]
	}
	return f.Column.Title + ": " + value
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
			one.Title = schema.Veiled(*title)
		}
		out = append(out, one)
		return nil
	})
	return out, err
}
