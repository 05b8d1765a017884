package portal

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
	for definition, want := range map[string]facts{
		`CHECK ((status = ANY (ARRAY['new'::text, 'it''s'::text])))`:                                         {Options: []string{"new", "it's"}},
		`CHECK (((status)::text = ANY ((ARRAY['a'::character varying, 'b c'::character varying])::text[])))`: {Options: []string{"a", "b c"}},
		`CHECK ((size = ANY (ARRAY[1, 2, 3])))`:                                                              {Options: []string{"1", "2", "3"}},
		`CHECK (((score >= 0) AND (score <= 100)))`:                                                          {Min: "0", Max: "100"},
		`CHECK ((value >= (0)::numeric))`:                                                                    {Min: "0"},
		`CHECK (((total >= (0)::numeric) AND (total < (1000000)::numeric)))`:                                 {Min: "0", Max: "1000000", Below: true},
		`CHECK ((rate >= '-5'::integer))`:                                                                    {Min: "-5"},
		`CHECK ((name <> ''::text))`:                                                                         {NotBlank: true},
		`CHECK ((btrim(name) <> ''::text))`:                                                                  {NotBlank: true},
		`CHECK ((char_length(name) <= 80))`:                                                                  {MaxLen: 80},
		`CHECK (((length(name) > 0) AND (length(name) < 80)))`:                                               {NotBlank: true, MaxLen: 79},
		`CHECK (((score IS NULL) OR (score >= 0)))`:                                                          {Min: "0"},
		`CHECK (((ends_on IS NULL) OR (ends_on >= starts_on)))`:                                              {},
		`CHECK (((score >= 0) OR (score = '-1'::integer)))`:                                                  {},
		`CHECK ((status <> ALL (ARRAY['x'::text, 'y'::text])))`:                                              {},
		`CHECK ((NOT (status = ANY (ARRAY['x'::text, 'y'::text]))))`:                                         {},
		`CHECK ((email ~* '^[^@]+@[^@]+$'::text)) NOT VALID`:                                                 {},
	} {
		c := &column{Name: "x", kind: kindText}
		c.check(definition)
		got := facts{c.Options, c.Min, c.Max, c.MaxExclusive, c.MaxLen, c.NotBlank}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", definition, diff)
		}
	}
}

func TestProblemsOfValues(t *testing.T) {
	t.Parallel()
	number := &column{kind: kindNumber, Min: "0", Max: "10", MaxExclusive: true}
	for text, good := range map[string]bool{"0": true, "9.99": true, "10": false, "-0.01": false, "1e5": false, "NaN": false, "": true, "1,5": false} {
		if problem := number.problem(text); (problem == "") != good {
			t.Errorf("number %q: %q", text, problem)
		}
	}
	small := &column{kind: kindInteger, Type: "smallint"}
	for text, good := range map[string]bool{"32767": true, "32768": false, "1.0": false, " 1": false} {
		if problem := small.problem(text); (problem == "") != good {
			t.Errorf("smallint %q: %q", text, problem)
		}
	}
	name := &column{kind: kindText, MaxLen: 3, NotBlank: true, Required: true, NotNull: true}
	for text, good := range map[string]bool{"äöü": true, "four": false, "  ": false, "": false, "a\x00": false} {
		if problem := name.problem(text); text != "a\x00" && (problem == "") != good {
			t.Errorf("text %q: %q", text, problem)
		}
	}
	if name.accepts("a\x00") || name.accepts("\xff") {
		t.Error("text that PostgreSQL cannot hold is accepted")
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"lead_events": "Lead events", "createdAt": "Created at", "customer_id": "Customer ID", "SKU": "SKU", "_": "_", "élan": "Élan"} {
		if got := humanize(name); got != want {
			t.Errorf("humanize(%q) = %q, want %q", name, got, want)
		}
	}
	for title, want := range map[string]string{"Leads": "Lead", "Companies": "Company", "Addresses": "Address", "Boxes": "Box", "Status": "Status", "News": "New", "People": "People"} {
		if got := singular(title); got != want {
			t.Errorf("singular(%q) = %q, want %q", title, got, want)
		}
	}
	for text, want := range map[string]string{"1234567.50": "1,234,567.50", "-1000": "-1,000", "999": "999", "NaN": "NaN"} {
		if got := group(text); got != want {
			t.Errorf("group(%q) = %q, want %q", text, got, want)
		}
	}
	for n, want := range map[float64]string{950: "950", 1234: "1,234", 12345: "12.3k", 999_999: "1000k", 42_000_000: "42M", -1_500_000: "-1.5M"} {
		if got := short(n); got != want {
			t.Errorf("short(%v) = %q, want %q", n, got, want)
		}
	}
	for text, want := range map[string]string{"=1+1": "'=1+1", "@x": "'@x", "+1 555 12": "+1 555 12", "+cmd|x": "'+cmd|x", "-5": "-5", "a": "a", "": ""} {
		if got := harmless(text); got != want {
			t.Errorf("harmless(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzKey(f *testing.F) {
	f.Add("a", "b")
	f.Add(`\`, `,`)
	f.Add("", `,\,`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if got := splitKey(joinKey([]string{a, b})); len(got) != 2 || got[0] != a || got[1] != b {
			t.Errorf("%q and %q come back as %q", a, b, got)
		}
	})
}

func FuzzCheck(f *testing.F) {
	f.Add("CHECK ((score >= 0))")
	f.Add("CHECK (((a = ANY (ARRAY['x'::text])))")
	f.Fuzz(func(_ *testing.T, text string) {
		(&column{Name: "x"}).check(text) // must not panic or hang
		constant(text)
	})
}
