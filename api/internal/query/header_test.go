package query

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every preference has the values that PostgREST knows, the first one counts, and only
// what took effect is said to be applied.
func TestPreferences(t *testing.T) {
	t.Parallel()
	five := int64(5)
	all := func(string) bool { return true }
	for _, tt := range []struct {
		header  string
		want    Prefer
		applied string
	}{
		{"return=headers-only", Prefer{Return: "headers-only"}, "return=headers-only"},
		{"count=planned,count=exact", Prefer{Count: "planned"}, "count=planned"},
		{" resolution = ignore-duplicates ,, missing=default", Prefer{Resolution: "ignore-duplicates", Missing: "default"},
			"resolution=ignore-duplicates, missing=default"},
		{"tx=rollback,handling=lenient", Prefer{Tx: "rollback", Handling: "lenient"}, "tx=rollback, handling=lenient"},
		{"max-affected=5,max-affected=9", Prefer{MaxAffected: &five}, ""},
		{"handling=strict,max-affected=5", Prefer{Handling: "strict", MaxAffected: &five}, "handling=strict, max-affected=5"},
		{"timezone=UTC,timezone=Asia/Tokyo", Prefer{Timezone: "UTC"}, "timezone=UTC"},
		{"count=some", Prefer{Invalid: []string{"count=some"}}, ""},
		{"max-affected=-1", Prefer{Invalid: []string{"max-affected=-1"}}, ""},
		{"max-affected=many", Prefer{Invalid: []string{"max-affected=many"}}, ""},
		{"return", Prefer{Invalid: []string{"return"}}, ""},
		{"Return=minimal", Prefer{Invalid: []string{"Return=minimal"}}, ""},
		{"timezone=", Prefer{Invalid: []string{"timezone="}}, ""},
		{"timezone=" + strings.Repeat("x", 64), Prefer{Invalid: []string{"timezone=" + strings.Repeat("x", 64)}}, ""},
	} {
		got, err := ParsePrefer([]string{tt.header})
		if err != nil {
			t.Fatal(err)
		}
		if applied := got.Applied(all); applied != tt.applied {
			t.Errorf("%s: applied %q", tt.header, applied)
		}
		if diff := cmp.Diff(&tt.want, got, cmp.AllowUnexported(Prefer{})); diff != "" {
			t.Errorf("%s: %s", tt.header, diff)
		}
	}
	for _, header := range []string{"handling=strict,count=some", "max-affected=x,handling=strict"} {
		if _, err := ParsePrefer([]string{header}); err == nil {
			t.Errorf("%s is let through", header)
		}
	}
	p, err := ParsePrefer([]string{"count=exact,tx=commit", "timezone=UTC"})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Applied(func(name string) bool { return name == "tx" }); got != "tx=commit" {
		t.Errorf("applied although it was not kept: %q", got)
	}
}

// Every media type that can be asked for comes back in the header of the answer.
func TestMediaTypes(t *testing.T) {
	t.Parallel()
	every := func(Format) bool { return true }
	for accept, want := range map[string]string{
		"application/json":                  "application/json; utf8",
		"application/json;nulls=stripped":   "application/json; utf8",
		"application/*":                     "application/json; utf8",
		"vnd/array+json":                    "application/json; utf8",
		"vnd/array;nulls=stripped":          "vnd/array+json;nulls=stripped; utf8",
		"vnd/object":                        "vnd/object+json; utf8",
		`Vnd/Object+Json; nulls="stripped"`: "vnd/object+json;nulls=stripped; utf8",
		"text/csv;nulls=stripped":           "text/csv; utf8",
		"text/*":                            "text/plain; utf8",
		"application/octet-stream":          "application/octet-stream",
		"text/html":                         "text/html; utf8",
		"application/openapi+json":          "application/openapi+json; utf8",
		"vnd/plan":                          "vnd/plan+text; for=\"application/json\"; utf8",
		"vnd/plan+json":                     "vnd/plan+json; for=\"application/json\"; utf8",
	} {
		accept = strings.NewReplacer("vnd/", "application/vnd.pgrst.", "Vnd/", "Application/Vnd.Pgrst.").Replace(accept)
		want = strings.NewReplacer("vnd/", "application/vnd.pgrst.", "utf8", "charset=utf-8").Replace(want)
		got, err := Accept([]string{accept}, Offer{Format: every})
		if err != nil || got.ContentType() != want {
			t.Errorf("%s: %q, %v", accept, got.ContentType(), err)
		}
	}
}

// The heaviest that is offered wins, the first of equal weight; zero and nonsense mean
// no.
func TestAcceptWeighs(t *testing.T) {
	t.Parallel()
	offered := func(f Format) bool { return f == CSV || f == JSON || f == Text }
	for header, want := range map[string]Format{
		"text/html, text/csv":                          CSV,
		"text/csv, application/json":                   CSV,
		"text/csv;q=0.5, text/plain;q=0.7":             Text,
		"text/csv;q=0, */*;q=0.1":                      JSON,
		"text/csv;q=heavy, text/plain":                 Text,
		"text/csv;q=NaN, text/plain":                   Text,
		`image/png;title="a,b;c", text/csv`:            CSV,
		strings.Repeat("image/png, ", 63) + "text/csv": CSV,
		"text/csv;q=0":                                 -1,
		"text/html":                                    -1,
		strings.Repeat("image/png, ", 64) + "text/csv": -1,
	} {
		got, err := Accept([]string{header}, Offer{Format: offered})
		if want == -1 && err == nil || want != -1 && (err != nil || got.Format != want) {
			t.Errorf("%s: %v, %v", header, got, err)
		}
	}
	const explain = `application/vnd.pgrst.plan+json; for="text/csv"; options=analyze|settings|wal|verbose`
	plan, err := Accept([]string{explain}, Offer{Format: func(Format) bool { return true }})
	if diff := cmp.Diff([]string{"settings", "verbose"}, plan.Options); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}
