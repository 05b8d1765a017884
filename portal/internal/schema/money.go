package schema

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/currency"

	"github.com/moat-db/moat/portal/internal/text"
)

// Money says that a column holds amounts of money.
type Money struct {
	Currency string  // of ISO 4217; "" where By has it
	By       *Column // of the same table, nil for one currency
	Minor    bool    // whole numbers of the minor unit, such as cents
}

// Text writes an amount as the database has it.
func (m *Money) Text(raw, code string, l *text.Locale) string {
	if m.Minor {
		raw = text.Major(raw, text.Digits(code))
	}
	return l.Money(raw, code)
}

// Code is the currency of an amount: the column's own, or what stands beside the amount.
func (m *Money) Code(beside *string) string {
	if m.By == nil {
		return m.Currency
	}
	if beside == nil {
		return ""
	}
	return strings.TrimSpace(*beside) // char(3)
}

// Beside is a column that is selected with this one, to show it: "" for none.
func (c *Column) Beside(t *Table, alias string) string {
	switch {
	case c.Ref != nil:
		return c.LabelExpression(t, alias)
	case c.Money != nil && c.Money.By != nil:
		return alias + "." + c.Money.By.SQL() + "::text"
	}
	return ""
}

// priced finds the columns that hold money: those that are declared, by schema.table.column,
// and those beside a currency. It returns declarations that fit nothing.
func priced(tables []*Table, declared map[string]string) (unknown []string) {
	left := maps.Clone(declared)
	for _, t := range tables {
		for _, c := range t.Columns {
			name := t.Name.String() + "." + c.Name
			if given, ok := left[name]; ok {
				if c.declare(t, given) {
					delete(left, name)
				}
				continue
			}
			c.infer(t)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		unknown = append(unknown, "portal.money "+name+": "+left[name])
	}
	return unknown
}

func (c *Column) declare(t *Table, given string) bool {
	if !c.Numeric() {
		return false
	}
	m := &Money{Minor: c.Kind == KindInteger}
	if _, err := currency.ParseISO(given); err == nil && strings.ToUpper(given) == given {
		m.Currency = given
	} else if m.By = t.Column(given); m.By == nil || m.By.Kind != KindText {
		return false
	}
	c.price(m)
	return true
}

// infer takes an amount for money where the same row says its currency.
func (c *Column) infer(t *Table) {
	minor := c.Kind == KindInteger && (strings.HasSuffix(c.Name, "_cents") || strings.HasSuffix(c.Name, "_minor"))
	major := c.Kind == KindNumber && slices.Contains(amountNames, c.Name)
	if !minor && !major {
		return
	}
	stem, _, _ := strings.Cut(c.Name, "_")
	for _, name := range []string{stem + "_currency", "currency", "currency_code"} {
		if by := t.Column(name); by != nil && by.Kind == KindText {
			c.price(&Money{By: by, Minor: minor})
			return
		}
	}
}

func (c *Column) price(m *Money) {
	c.Money = m
	if m.Minor {
		c.Title = strings.TrimSuffix(strings.TrimSuffix(c.Title, " cents"), " minor")
		if c.Comment == "" {
			c.Comment = "In the smallest unit of the currency, such as cents."
		}
	}
}
