package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChecksOfTheSchema(t *testing.T) {
	t.Parallel()
	type facts struct {
		Options  []string
		Min, Max string
		Below    bool // max itself is not allowed
		MaxLen   int
		NotBlank bool
	}
	for _, tt := range []struct {
		definition string
		want       facts
	}{
		{`((status = ANY (ARRAY['new'::text, 'it''s'::text])))`, facts{Options: []string{"new", "it's"}}},
		{`(((status)::text = ANY ((ARRAY['a'::character varying, 'b c'::character varying])::text[])))`,
			facts{Options: []string{"a", "b c"}}},
		{`((size = ANY (ARRAY[1, 2, 3])))`, facts{Options: []string{"1", "2", "3"}}},
		{`((kind = 'only'::text))`, facts{Options: []string{"only"}}},
		{`(((score >= 0) AND (score <= 100)))`, facts{Min: "0", Max: "100"}},
		{`((value >= (0)::numeric))`, facts{Min: "0"}},
		{`(((total >= (0)::numeric) AND (total < (1000000)::numeric)))`, facts{Min: "0", Max: "1000000", Below: true}},
		{`((rate >= '-5'::integer))`, facts{Min: "-5"}},
		{`((name <> ''::text))`, facts{NotBlank: true}},
		{`((btrim(name) <> ''::text))`, facts{NotBlank: true}},
		{`((char_length(name) <= 80))`, facts{MaxLen: 80}},
		{`(((length(name) > 0) AND (length(name) < 80)))`, facts{NotBlank: true, MaxLen: 79}},
		{`(((score IS NULL) OR (score >= 0)))`, facts{Min: "0"}},
		{`(((ends_on IS NULL) OR (ends_on >= starts_on)))`, facts{}},
		{`(((score >= 0) OR (score = '-1'::integer)))`, facts{}},
		{`((status <> ALL (ARRAY['x'::text, 'y'::text])))`, facts{}},
		{`((NOT (status = ANY (ARRAY['x'::text, 'y'::text]))))`, facts{}},
		{`((email ~* '^[^@]+@[^@]+$'::text)) NOT VALID`, facts{}},
	} {
		c := &Column{Name: "x", Kind: KindText}
		c.check("CHECK " + tt.definition)
		got := facts{c.Options, c.Min, c.Max, c.MaxExclusive, c.MaxLen, c.NotBlank}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.definition, diff)
		}
	}
}

func TestProblemsOfValues(t *testing.T) {
	t.Parallel()
	number := &Column{Kind: KindNumber, Min: "0", Max: "10", MaxExclusive: true}
	for text, good := range map[string]bool{"0": true, "9.99": true, "10": false, "-0.01": false, "1e5": false,
		"NaN": false, "": true, "1,5": false} {
		if problem := number.Problem(text); (problem == "") != good {
			t.Errorf("number %q: %q", text, problem)
		}
	}
	small := &Column{Kind: KindInteger, Type: "smallint"}
	for text, good := range map[string]bool{"32767": true, "32768": false, "1.0": false, " 1": false} {
		if problem := small.Problem(text); (problem == "") != good {
			t.Errorf("smallint %q: %q", text, problem)
		}
	}
	name := &Column{Kind: KindText, MaxLen: 3, NotBlank: true, Required: true, NotNull: true}
	for text, good := range map[string]bool{"äöü": true, "four": false, "  ": false, "": false, "a\x00": false} {
		if problem := name.Problem(text); text != "a\x00" && (problem == "") != good {
			t.Errorf("text %q: %q", text, problem)
		}
	}
	if name.Accepts("a\x00") || name.Accepts("\xff") {
		t.Error("text that PostgreSQL cannot hold is accepted")
	}
}

func FuzzKey(f *testing.F) {
	f.Add("a", "b")
	f.Add(`\`, `,`)
	f.Add("", `,\,`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if got := SplitKey(JoinKey([]string{a, b})); len(got) != 2 || got[0] != a || got[1] != b {
			t.Errorf("%q and %q come back as %q", a, b, got)
		}
	})
}

func FuzzCheck(f *testing.F) {
	f.Add("CHECK ((score >= 0))")
	f.Add("CHECK (((a = ANY (ARRAY['x'::text])))")
	f.Fuzz(func(_ *testing.T, text string) {
		(&Column{Name: "x"}).check(text) // must not panic or hang
		constant(text)
	})
}
