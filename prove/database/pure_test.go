package database

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/prove"
)

func TestMentions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, name string
		want       bool
	}{
		{"(score >= 0)", "score", true},
		{"(score_2 >= 0)", "score", false},
		{"(status = 'score'::text)", "score", false},
		{`("Mixed""Case" IS NULL)`, `Mixed"Case`, true},
		{`(mixed IS NULL)`, "Mixed", false},
		{"", "score", false},
	} {
		if got := mentions(c.text, c.name); got != c.want {
			t.Errorf("mentions(%q, %q) = %v", c.text, c.name, got)
		}
	}
}

func TestCheckText(t *testing.T) {
	t.Parallel()
	for definition, want := range map[string]string{
		"CHECK ((a > 0))":                    "((a > 0))",
		"CHECK ((a > 0)) NO INHERIT":         "((a > 0))",
		"CHECK ((a <> ')'::text)) NOT VALID": "((a <> ')'::text))",
		`CHECK ((")" > 0))`:                  `((")" > 0))`,
		"CHECK":                              "",
	} {
		if got := checkText(definition); got != want {
			t.Errorf("checkText(%q) = %q, want %q", definition, got, want)
		}
	}
}

// What is made for a pattern matches it.
func TestMatching(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{`^[^@]+@[^@]+\.[a-z]{2,}$`, `^\+[0-9]{8,15}$`, `^(draft|done)$`, `^[a-z0-9-]+$`,
		`^#?[A-F0-9]{6}$`} {
		if got := matching(pattern); !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("%s: %q does not match", pattern, got)
		}
	}
	if got := matching("("); got != "" {
		t.Errorf("a pattern that cannot be read: %q", got)
	}
}

func TestMined(t *testing.T) {
	t.Parallel()
	if got, want := mined("(a = 'it''s') AND (b >= -1.5) OR (c = 'x')"),
		[]string{"-1.5", "it's", "x"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestComparedWith(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]compared{
		"(score > 90)":                                      {{">", "90", false}},
		"(score < '-5'::integer)":                           {{"<", "-5", false}},
		"((score)::text = 'won'::text)":                     {{"=", "won", false}},
		"((x.score)::character varying(9) <> 'a(b'::text)":  {{"<>", "a(b", false}},
		`((l."score" >= CURRENT_DATE) OR (score <= now()))`: {{">=", "", true}, {"<=", "", true}},
		"((score >= 0) AND (score <= 100))":                 {{">=", "0", false}, {"<=", "100", false}},
		"(other = 5) AND ('score' = name)":                  nil,
		"(score = other)":                                   nil,
		"score =":                                           nil,
		"(score IS NOT NULL)":                               nil,
	} {
		if got := comparedWith(text, "score"); !slices.Equal(got, want) {
			t.Errorf("comparedWith(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"(NOT hidden)": true, "(NOT (l.hidden))": true, "hidden": false, "(NOT done) AND hidden": false,
		"('NOT hidden' = name)": false, "(NOT app.l.hidden)": true, "l.hidden": false,
	} {
		if got := denied(text, "hidden"); got != want {
			t.Errorf("denied(%q) = %v", text, got)
		}
	}
}

func TestBuiltin(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{
		"character varying(20)": "pg_catalog.varchar", "integer": "pg_catalog.int4", "numeric(10,2)": "pg_catalog.numeric",
		"timestamp with time zone": "pg_catalog.timestamptz", "text[]": "pg_catalog.text", `shop."Mood"`: "shop.Mood",
	} {
		if got := builtin(typ).String(); got != want {
			t.Errorf("%s: %s, want %s", typ, got, want)
		}
	}
}

// Values of one column differ from one another, and carry their tenant where they can.
func TestMakerMakesNewValues(t *testing.T) {
	t.Parallel()
	m := newMaker(&catalog.Snapshot{})
	for _, typ := range []string{"uuid", "integer", "bigint", "text", "character varying(12)", "bytea", "tstzrange",
		"inet", "numeric"} {
		c := &catalog.Column{Type: typ, TypeName: builtin(typ)}
		first, ok := m.value(c, tagA, 0)
		second, _ := m.value(c, tagB, 0)
		if !ok || first == second {
			t.Errorf("%s: %q, then %q", typ, first, second)
		}
	}
	if _, ok := m.value(&catalog.Column{Type: "shop.odd", TypeName: builtin("shop.odd")}, tagA, 0); ok {
		t.Error("a value is made for a type that nothing is known of")
	}
}

func TestErrorsDecide(t *testing.T) {
	t.Parallel()
	passed := func(outcome) finding { return absent("nothing") }
	for label, c := range map[string]struct {
		site    site
		outcome outcome
		onError func(*pgconn.PgError) finding
		want    prove.Verdict
	}{
		"nothing came back": {outcome: outcome{ready: true, bound: true}, want: prove.VerdictIsolated},
		"nothing, but A sees nothing of its own either": {site: site{blind: true},
			outcome: outcome{ready: true, bound: true}, want: prove.VerdictUndecided},
		"nothing, and the table is closed to everybody": {site: site{blind: true, closed: true},
			outcome: outcome{ready: true, bound: true}, want: prove.VerdictIsolated},
		"refused":          {outcome: failed(codePrivilege), want: prove.VerdictIsolated},
		"timed out":        {outcome: failed(codeTimeout), want: prove.VerdictUndecided},
		"stopped by a key": {outcome: failed(codeUnique), onError: pastPolicy, want: prove.VerdictLeak},
		"not bound": {outcome: outcome{ready: true, err: &pgconn.PgError{Code: codePrivilege}},
			want: prove.VerdictUndecided},
		"a row without use": {outcome: outcome{err: &pgconn.PgError{Code: codeCheck}}, want: prove.VerdictIsolated},
	} {
		got := attack{judge: passed, onError: c.onError}.decide(&c.site, c.outcome)
		if got.verdict != c.want {
			t.Errorf("%s: %s: %s", label, got.verdict, got.reason)
		}
	}
}

func failed(code string) outcome {
	return outcome{ready: true, bound: true, err: &pgconn.PgError{Code: code}}
}

// A value of B's rows that stands in a message is no news where the statement gave it, or began it.
func TestUngiven(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, given string
		want        bool
	}{
		{"taken: moatqbx1k", "INSERT … ('moatqbx1k')", false},
		{"taken: moatqbx1kmore", "INSERT … ('moatqbx1k')", false},
		{"taken: moatqbx1m", "INSERT … ('moatqbx1k')", true},
		{"taken: moatqbx1m", "… ~ 'moatqbx|a0a70062-'", true}, // the look at what A can read
		{"taken: a0a70062-0000-4000-8000-00000000000c", "", true},
		{"taken: moatqax1m, moatqcx1", "", false},
	} {
		if got := ungiven(c.text, c.given); got != c.want {
			t.Errorf("ungiven(%q, %q) = %v", c.text, c.given, got)
		}
	}
}

// keyless seals nothing.
type keyless struct{}

func (keyless) Bind(context.Context, moat.Tenant, uint32) (string, []any, error) {
	return "", nil, errors.New("no key")
}

// Where it cannot be told whether a call did harm, that nothing showed is no isolation.
func TestHarmThatCannotBeTold(t *testing.T) {
	t.Parallel()
	s := &stage{calm: "app.leads", prover: &prover{operator: &session{bind: binder{sealer: keyless{}}}}}
	same := []string{"1"}
	for writes, want := range map[bool]prove.Verdict{true: prove.VerdictUndecided, false: prove.VerdictIsolated} {
		o := &observable{sql: []string{"SELECT f()"}, writes: writes, before: same, again: same, after: same}
		if f, _ := s.compare(t.Context(), o); f.verdict != want {
			t.Errorf("writes %v: %s: %s", writes, f.verdict, f.reason)
		}
	}
}
