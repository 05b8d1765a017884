package query

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShape(t *testing.T) {
	t.Parallel()
	tests := []struct {
		raw, shape string
		values     []string
	}{
		{"id=eq.5", "&id=eq.\x00", []string{"5"}},
		{"select=a,b&order=a.desc&limit=5&offset=10", "&select=a,b&order=a.desc&limit=5&offset=10", nil},
		{"name=not.gte.a%20b&x=is.null", "&name=not.gte.\x00&x=is.null", []string{"a b"}},
		{"clients.order=name&clients.id=lt.9", "&clients.order=name&clients.id=lt.\x00", []string{"9"}},
		{"a=eq.1&a=neq.", "&a=eq.\x00&a=neq.\x00", []string{"1", ""}},
		{"a=eq.b.c&b=eq.=%26", "&a=eq.\x00&b=eq.\x00", []string{"b.c", "=&"}},
		{"", "", nil},
		{"&a=not.is.true&", "&a=not.is.true", nil},
	}
	for _, test := range tests {
		shape, values, ok := AppendShape(nil, nil, test.raw)
		if !ok || string(shape) != test.shape {
			t.Errorf("%q: shape %q, %v; want %q", test.raw, shape, ok, test.shape)
		}
		if diff := cmp.Diff(test.values, values); diff != "" {
			t.Errorf("%q: values: %s", test.raw, diff)
		}
	}
}

// A value that ended in a shape could be told from how fast the answer comes.
func TestShapeHoldsNoValue(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"name=in.(secret)", "name=like.secret*", "or=(name.eq.secret)", "clients.and=(name.eq.secret)", "after=secret",
		"name=fts.secret", "name=eq(any).{secret}", "name=secret", "secret", "on_conflict=secret", "tags=cs.{secret}",
		"name=eq.%zzsecret", "name=eq.%00secret", "name=eq.secret\x00", "not.or=(name.eq.secret)", "name=is.secret",
	} {
		shape, _, ok := AppendShape(nil, nil, raw)
		if ok && strings.Contains(string(shape), "secret") {
			t.Errorf("%q has the shape %q", raw, shape)
		}
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	got := Fill("&a=eq.\x00&b=lt.\x00", func(n int) string { return "m" + string(rune('0'+n)) })
	if want := "&a=eq.m0&b=lt.m1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
