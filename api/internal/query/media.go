package query

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/api/internal/problem"
)

// Format is a shape of the answer.
type Format int

// The formats an answer can have.
const (
	JSON Format = iota
	Singular
	CSV
	Text
	Bytes
	HTML
	OpenAPI
	PlanText
	PlanJSON
	Made // by a function of the database
)

// Media is the negotiated answer.
type Media struct {
	Format Format
	// Stripped leaves out null members.
	Stripped bool
	// Options of the plan formats: verbose, settings. For is the
	// media type that the plan is of; "" is JSON.
	Options []string
	For     string
	// Type is the media type of what a function of the database makes, or what the plan is of
	// where one makes that, and Raw says that the value is bytea.
	Type string
	Raw  bool
}

// ContentType returns the header for the answer.
func (m Media) ContentType() string {
	switch m.Format {
	case Made:
		return madeType(m.Type)
	case Singular:
		if m.Stripped {
			return "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8"
		}
		return "application/vnd.pgrst.object+json; charset=utf-8"
	case CSV:
		return "text/csv; charset=utf-8"
	case Text:
		return "text/plain; charset=utf-8"
	case Bytes:
		return "application/octet-stream"
	case HTML:
		return "text/html; charset=utf-8"
	case OpenAPI:
		return "application/openapi+json; charset=utf-8"
	case PlanText:
		return m.plan("text")
	case PlanJSON:
		return m.plan("json")
	}
	if m.Stripped {
		return "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"
	}
	return "application/json; charset=utf-8"
}

// madeType adds the encoding to those types that have text in one; what answers any type
// says itself what it is, or nothing.
func madeType(name string) string {
	switch name {
	case "text/plain", "text/csv", "text/xml", "application/json", "application/geo+json", "application/openapi+json":
		return name + "; charset=utf-8"
	case "*/*":
		return "application/octet-stream"
	}
	return name
}

// plan names the plan formats with their parameters.
func (m Media) plan(format string) string {
	text := "application/vnd.pgrst.plan+" + format + `; for="` + cmp.Or(m.For, "application/json") + `"`
	if len(m.Options) > 0 {
		text += "; options=" + strings.Join(m.Options, "|")
	}
	return text + "; charset=utf-8"
}

// Offer says what a resource can answer with.
type Offer struct {
	// Format reports whether a format of the server's own can be had.
	Format func(Format) bool
	// Made returns what a function of the database makes of a type; nil means that there is
	// nothing of the kind.
	Made func(name string) (Media, bool)
}

// Accept returns the best of what is offered and accepted, in the order of the header's
// weights. No header, and */*, mean JSON, unless a function makes that.
func Accept(header []string, o Offer) (Media, error) {
	text := strings.Join(header, ",")
	if text == "" {
		text = "*/*"
	}
	if o.Made == nil && (text == "*/*" || text == "application/json") {
		return Media{}, nil
	}
	ranges := splitQuoted(text, ',')
	if len(ranges) > 64 {
		return Media{}, problem.TooLarge("the Accept header has more than 64 media types")
	}
	var candidates []weighted
	for _, one := range ranges {
		if c := parseMedia(one); c.q > 0 {
			candidates = append(candidates, c)
		}
	}
	slices.SortStableFunc(candidates, func(a, b weighted) int { return cmp.Compare(b.q, a.q) })
	for _, c := range candidates {
		if o.Made != nil && !strings.HasPrefix(c.name, "application/vnd.pgrst.") {
			if made, ok := o.Made(c.name); ok {
				return made, nil
			}
		}
		if c.known && o.Format(c.media.Format) {
			return c.media.planned(o), nil
		}
	}
	return Media{}, problem.New(http.StatusNotAcceptable, "PGRST107",
		"None of these media types are available: %s", clipped(text))
}

// planned finds what a plan is of: another type than those offered is left out.
func (m Media) planned(o Offer) Media {
	if m.For == "" {
		return m
	}
	if o.Made != nil {
		if made, ok := o.Made(m.For); ok {
			m.For, m.Type = made.Type, made.Type
			return m
		}
	}
	if _, known := formatOf(m.For); !known {
		m.For = ""
	}
	return m
}

// Rows is the format of the rows: of those that a plan is of, too.
func (m Media) Rows() Format {
	switch {
	case m.Format != PlanText && m.Format != PlanJSON:
		return m.Format
	case m.Type != "":
		return Made
	}
	of, _ := formatOf(cmp.Or(m.For, "application/json"))
	return of
}

type weighted struct {
	name  string
	media Media
	known bool // of the server's own
	q     float64
}

func clipped(s string) string {
	if len(s) > 200 {
		return s[:200]
	}
	return s
}

func parseMedia(text string) weighted {
	parts := splitQuoted(text, ';')
	name, q := strings.ToLower(strings.TrimSpace(parts[0])), 1.0
	m := Media{}
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(key) {
		case "q":
			parsed, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return weighted{}
			}
			q = parsed
		case "nulls":
			m.Stripped = value == "stripped"
		case "options":
			for option := range strings.SplitSeq(value, "|") {
				if contains("verbose settings", option) { // the others count rows of other tenants
					m.Options = append(m.Options, option)
				}
			}
		case "for":
			m.For = value
			if value == "application/vnd.pgrst.object" || value == "application/vnd.pgrst.array" {
				m.For += "+json"
			}
		}
	}
	format, ok := formatOf(name)
	m.Format = format
	if format != JSON && format != Singular {
		m.Stripped = false
	} else if name == "application/json" {
		m.Stripped = false
	}
	return weighted{name, m, ok, q}
}

// Known reports whether a media type is one of the server's own.
func Known(name string) bool {
	_, known := formatOf(name)
	return known && name != "*/*"
}

func formatOf(name string) (Format, bool) {
	switch name {
	case "*/*", "application/*", "application/json", "application/vnd.pgrst.array", "application/vnd.pgrst.array+json":
		return JSON, true
	case "application/vnd.pgrst.object", "application/vnd.pgrst.object+json":
		return Singular, true
	case "text/csv":
		return CSV, true
	case "text/plain", "text/*":
		return Text, true
	case "application/octet-stream":
		return Bytes, true
	case "text/html":
		return HTML, true
	case "application/openapi+json":
		return OpenAPI, true
	case "application/vnd.pgrst.plan", "application/vnd.pgrst.plan+text":
		return PlanText, true
	case "application/vnd.pgrst.plan+json":
		return PlanJSON, true
	}
	return JSON, false
}

// splitQuoted splits at sep where it is not between double quotes.
func splitQuoted(text string, sep byte) []string {
	var parts []string
	start, inside := 0, false
	for i := range len(text) {
		switch {
		case text[i] == '"':
			inside = !inside
		case text[i] == sep && !inside:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}
