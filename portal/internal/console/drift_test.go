package console

import (
	"testing"

	"github.com/moat-db/moat/watch"
)

func TestDiffer(t *testing.T) {
	t.Parallel()
	for d, want := range map[watch.Drift]change{
		{Fact: "f", After: "x y"}:                         {What: "added", Fact: "f", In: "x y"},
		{Fact: "f", Before: "x y"}:                        {What: "removed", Fact: "f", Out: "x y"},
		{Fact: "f", Before: "a b c", After: "a c"}:        {What: "changed", Fact: "f", Begin: "a ", Out: "b ", Rest: "c"},
		{Fact: "f", Before: "a a", After: "a a a"}:        {What: "changed", Fact: "f", Begin: "a ", In: "a ", Rest: "a"},
		{Fact: "f", Before: "on and forced", After: "on"}: {What: "changed", Fact: "f", Out: "on and forced", In: "on"},
		{Fact: "f", Before: "x, on, y", After: "x, off, y"}: {What: "changed", Fact: "f", Begin: "x, ", Out: "on, ",
			In: "off, ", Rest: "y"},
	} {
		if got := differ(d); got != want {
			t.Errorf("%v: %+v, want %+v", d, got, want)
		}
	}
}
