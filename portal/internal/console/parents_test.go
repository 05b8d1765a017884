package console

import (
	"net/url"
	"slices"
	"testing"
)

// The form begins with the one client that others stand below, and keeps what was chosen, none included.
func TestChosenParent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		above  []bool // which clients have others below them
		values url.Values
		want   int
	}{
		"one agency":        {[]bool{true, false}, nil, 0},
		"two agencies":      {[]bool{true, true, false}, nil, -1},
		"no agency":         {[]bool{false, false}, nil, -1},
		"no client":         {nil, nil, -1},
		"one client":        {[]bool{false}, nil, -1},
		"another chosen":    {[]bool{true, false}, url.Values{"set.parent": {"1"}}, 1},
		"none chosen again": {[]bool{true, false}, url.Values{"set.parent": {""}}, -1},
	} {
		var all []parent
		for i, on := range c.above {
			all = append(all, parent{ID: string(rune('0' + i)), On: on})
		}
		choose(all, c.values, "parent")
		chosen := func(p parent) bool { return p.On }
		if got := slices.IndexFunc(all, chosen); got != c.want {
			t.Errorf("%s: %d is chosen, want %d", name, got, c.want)
		}
	}
}
