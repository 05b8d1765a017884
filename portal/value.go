package portal

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	uuidText    = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	integerText = regexp.MustCompile(`^[+-]?\d{1,19}$`)
	numberText  = regexp.MustCompile(`^[+-]?(\d{1,100}(\.\d{0,100})?|\.\d{1,100})$`)
	clockText   = regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$`)
)

func isDate(s string) bool { _, err := time.Parse(time.DateOnly, s); return err == nil }

// accepts says whether text is of the column's type, as far as that can be said
// without the database.
func (c *column) accepts(text string) bool {
	if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		return false
	}
	switch c.kind {
	case kindInteger:
		n, err := strconv.ParseInt(text, 10, 64)
		return err == nil && integerText.MatchString(text) && fits(n, c.Type)
	case kindNumber:
		return numberText.MatchString(text)
	case kindBool:
		return text == "true" || text == "false"
	case kindDate:
		return isDate(text)
	case kindTime:
		return clockText.MatchString(text)
	case kindMoment:
		_, err := time.Parse(time.RFC3339, text)
		return err == nil
	case kindLocal:
		_, err := time.Parse("2006-01-02T15:04:05", text)
		return err == nil || isDate(text)
	case kindUUID:
		return uuidText.MatchString(text)
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

// check returns what is wrong with a value that a person typed, "" when nothing is
// that the schema tells. Empty is no value.
func (c *column) problem(text string) string {
	if text == "" {
		if c.NotNull && c.Default == "" && c.Required {
			return "This is needed."
		}
		return ""
	}
	if !c.accepts(text) {
		return map[kind]string{kindInteger: "This must be a whole number.", kindNumber: "This must be a number, like 1250.50.",
			kindDate: "This must be a date.", kindMoment: "This must be a date and a time.", kindLocal: "This must be a date and a time.",
			kindTime: "This must be a time of day.", kindUUID: "Choose one from the list."}[c.kind]
	}
	if len(c.Options) > 0 && !contains(c.Options, text) {
		return "Choose one of the list."
	}
	if c.MaxLen > 0 && utf8.RuneCountInString(text) > c.MaxLen {
		return "At most " + plural(c.MaxLen, "character") + ", and this has " + count(int64(utf8.RuneCountInString(text))) + "."
	}
	if c.NotBlank && strings.TrimSpace(text) == "" {
		return "This must not be blank."
	}
	return c.bounds(text)
}

func (c *column) bounds(text string) string {
	if c.kind != kindInteger && c.kind != kindNumber {
		return ""
	}
	value, ok := new(big.Rat).SetString(text)
	if !ok {
		return "This must be a number."
	}
	if low, ok := new(big.Rat).SetString(c.Min); ok {
		if d := value.Cmp(low); d < 0 || d == 0 && c.MinExclusive {
			return "This must be " + map[bool]string{true: "more than ", false: "at least "}[c.MinExclusive] + group(c.Min) + "."
		}
	}
	if high, ok := new(big.Rat).SetString(c.Max); ok {
		if d := value.Cmp(high); d > 0 || d == 0 && c.MaxExclusive {
			return "This must be " + map[bool]string{true: "less than ", false: "at most "}[c.MaxExclusive] + group(c.Max) + "."
		}
	}
	return ""
}

func contains(list []string, one string) bool {
	for _, s := range list {
		if s == one {
			return true
		}
	}
	return false
}
