package english

import "testing"

func TestCount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n          int
		noun, many string
		want       string
	}{
		{0, "row", "", "0 rows"}, {1, "row", "", "1 row"}, {2, "row", "", "2 rows"},
		{2, "policy", "", "2 policies"}, {1, "policy", "", "1 policy"}, {2, "key", "", "2 keys"},
		{2, "way in", "ways in", "2 ways in"}, {1, "way in", "ways in", "1 way in"},
	} {
		var many []string
		if c.many != "" {
			many = []string{c.many}
		}
		if got := Count(c.n, c.noun, many...); got != c.want {
			t.Errorf("Count(%d, %q) = %q, want %q", c.n, c.noun, got, c.want)
		}
	}
}

func TestOr(t *testing.T) {
	t.Parallel()
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		if got := Or(words); got != want {
			t.Errorf("Or(%q) = %q, want %q", words, got, want)
		}
	}
}
