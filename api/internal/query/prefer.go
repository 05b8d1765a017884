package query

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
)

// Prefer is what the Prefer headers ask for (RFC 7240).
type Prefer struct {
	Return     string // minimal, headers-only, representation
	Count      string // exact, planned, estimated
	Resolution string // merge-duplicates, ignore-duplicates
	Missing    string // default, null
	Handling   string // strict, lenient
	Tx         string // commit, rollback
	Timezone   string
	// MaxAffected is the most rows a write may touch, or nil. As in PostgREST it
	// holds only with handling=strict.
	MaxAffected *int64
	// Invalid are preferences that are not known.
	Invalid []string
}

// ParsePrefer reads the values of the Prefer headers. The first of several
// preferences of one name counts. Unknown ones are an error only with
// handling=strict.
func ParsePrefer(headers []string) (*Prefer, error) {
	p := &Prefer{}
	for _, header := range headers {
		for token := range strings.SplitSeq(header, ",") {
			if token = strings.TrimSpace(token); token != "" {
				p.preference(token)
			}
		}
	}
	if p.Handling == "strict" && len(p.Invalid) > 0 {
		return nil, InvalidPreferences(p.Invalid...)
	}
	return p, nil
}

// InvalidPreferences is the error for preferences that handling=strict does not let
// pass.
func InvalidPreferences(list ...string) error {
	return problem.New(http.StatusBadRequest, "PGRST122", "Invalid preferences given with handling=strict").
		WithDetails("Invalid preferences: %s", strings.Join(list, ", "))
}

func (p *Prefer) preference(token string) {
	name, value, _ := strings.Cut(token, "=")
	name, value = strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"`)
	into, allowed := p.slot(name)
	switch {
	case name == "max-affected":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			p.Invalid = append(p.Invalid, token)
		} else if p.MaxAffected == nil {
			p.MaxAffected = &n
		}
	case name == "timezone" && value != "" && len(value) < 64:
		if p.Timezone == "" {
			p.Timezone = value
		}
	case into != nil && contains(allowed, value):
		if *into == "" {
			*into = value
		}
	default:
		p.Invalid = append(p.Invalid, token)
	}
}

func (p *Prefer) slot(name string) (into *string, allowed string) {
	switch name {
	case "return":
		return &p.Return, "minimal headers-only representation"
	case "count":
		return &p.Count, "exact planned estimated"
	case "resolution":
		return &p.Resolution, "merge-duplicates ignore-duplicates"
	case "missing":
		return &p.Missing, "default null"
	case "handling":
		return &p.Handling, "strict lenient"
	case "tx":
		return &p.Tx, "commit rollback"
	}
	return nil, ""
}

func contains(allowed, value string) bool {
	for one := range strings.FieldsSeq(allowed) {
		if one == value {
			return true
		}
	}
	return false
}

// Applied returns the Preference-Applied header for those preferences that keep
// accepts, in PostgREST's order.
func (p *Prefer) Applied(keep func(name string) bool) string {
	var out []string
	for _, name := range []string{"resolution", "missing", "return", "count", "tx", "handling"} {
		if into, _ := p.slot(name); *into != "" && keep(name) {
			out = append(out, name+"="+*into)
		}
	}
	if p.Timezone != "" && keep("timezone") {
		out = append(out, "timezone="+p.Timezone)
	}
	if p.MaxAffected != nil && p.Handling == "strict" && keep("max-affected") {
		out = append(out, "max-affected="+strconv.FormatInt(*p.MaxAffected, 10))
	}
	return strings.Join(out, ", ")
}
