package list

import (
	"slices"
	"strconv"
	"testing"
)

func TestMapJoinFilterPick(t *testing.T) {
	t.Parallel()
	some := []int{1, 2, 3}
	if got := Map(some, strconv.Itoa); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("Map: %q", got)
	}
	if got := Map(nil, strconv.Itoa); got == nil || len(got) != 0 {
		t.Errorf("Map of nothing: %#v, which JSON and SQL would take for null", got)
	}
	if got := Join(some, ", ", strconv.Itoa); got != "1, 2, 3" {
		t.Errorf("Join: %q", got)
	}
	odd := func(n int) bool { return n%2 == 1 }
	if got := Filter(some, odd); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("Filter: %v", got)
	}
	if got := Filter([]int{2}, odd); got != nil {
		t.Errorf("Filter that keeps none: %#v", got)
	}
	if got := Pick(some, func(n int) (string, bool) { return strconv.Itoa(n), odd(n) }); !slices.Equal(got,
		[]string{"1", "3"}) {
		t.Errorf("Pick: %q", got)
	}
}
