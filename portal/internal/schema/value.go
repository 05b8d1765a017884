package schema

import (
	"cmp"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/moat-db/moat/portal/internal/text"
)

// LocalLayout is how a timestamp without a zone is written.
const LocalLayout = "2006-01-02T15:04:05"

var (
	hex         = "[0-9a-fA-F]"
	uuidText    = regexp.MustCompile("^" + hex + "{8}-(" + hex + "{4}-){3}" + hex + "{12}$")
	integerText = regexp.MustCompile(`^[+-]?\d{1,19}$`)
	numberText  = regexp.MustCompile(`^[+-]?(\d{1,100}(\.\d{0,100})?|\.\d{1,100})$`)
	clockText   = regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$`)
)

// IsDate says whether s is a date as a browser sends it.
func IsDate(s string) bool { return parses(time.DateOnly, s) }

func parses(layout, s string) bool {
	_, err := time.Parse(layout, s)
	return err == nil
}

// Accepts says whether value is of the column's type, as far as that can be said
// without the database.
func (c *Column) Accepts(value string) bool {
	if strings.ContainsRune(value, 0) || !utf8.ValidString(value) {
		return false
	}
	switch c.Kind {
	case KindInteger:
		n, err := strconv.ParseInt(value, 10, 64)
		return err == nil && integerText.MatchString(value) && fits(n, c.Type)
	case KindNumber:
		return numberText.MatchString(value)
	case KindBool:
		return value == "true" || value == "false"
	case KindDate:
		return IsDate(value)
	case KindTime:
		return clockText.MatchString(value)
	case KindMoment:
		return parses(time.RFC3339, value)
	case KindLocal:
		return parses(LocalLayout, value) || IsDate(value)
	case KindUUID:
		return uuidText.MatchString(value)
	}
	return true
}

func fits(n int64, typeName string) bool {
	switch typeName {
	case "smallint":
		return n >= -1<<15 && n < 1<<15
	case "integer":
		return n >= -1<<31 && n < 1<<31
	}
	return true
}

// Required is what a form says about an empty field that must not be.
const Required = "This field is required."

// Problem returns what is wrong with a value that a person typed, "" when nothing is
// that the schema tells. Empty is no value.
func (c *Column) Problem(value string) string {
	switch length := utf8.RuneCountInString(value); {
	case value == "" && c.Required:
		return Required
	case value == "":
		return ""
	case !c.Accepts(value):
		return c.expected()
	case len(c.Options) > 0 && !slices.Contains(c.Options, value):
		return "Choose one from the list."
	case c.MaxLen > 0 && length > c.MaxLen:
		return "Use at most " + text.Counted(c.MaxLen, "character") + "; this has " + text.Count(length) + "."
	case c.NotBlank && strings.TrimSpace(value) == "":
		return "This cannot be blank."
	}
	return c.bounds(value)
}

// expected says what a column takes that does not take a value.
func (c *Column) expected() string {
	return cmp.Or(map[Kind]string{
		KindInteger: "Enter a whole number.", KindNumber: "Enter a number, such as 1250.50.", KindDate: "Enter a date.",
		KindMoment: "Enter a date and a time.", KindLocal: "Enter a date and a time.",
		KindTime: "Enter a time of day, such as 14:30.", KindUUID: "Enter a complete ID.", KindBool: "Choose yes or no.",
	}[c.Kind], "This contains characters that cannot be stored.")
}

// bounds checks what a CHECK says of a number.
func (c *Column) bounds(value string) string {
	if c.Kind != KindInteger && c.Kind != KindNumber {
		return ""
	}
	n, ok := new(big.Rat).SetString(value)
	if !ok {
		return c.expected()
	}
	low, hasLow := new(big.Rat).SetString(c.Min)
	high, hasHigh := new(big.Rat).SetString(c.Max)
	switch {
	case hasLow && c.MinExclusive && n.Cmp(low) <= 0:
		return "This must be more than " + text.Group(c.Min) + "."
	case hasLow && n.Cmp(low) < 0:
		return "This must be at least " + text.Group(c.Min) + "."
	case hasHigh && c.MaxExclusive && n.Cmp(high) >= 0:
		return "This must be less than " + text.Group(c.Max) + "."
	case hasHigh && n.Cmp(high) > 0:
		return "This must be at most " + text.Group(c.Max) + "."
	}
	return ""
}
