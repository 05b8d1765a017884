package api

import (
	"strconv"
	"testing"
)

func TestPlansAreBounded(t *testing.T) {
	t.Parallel()
	c := newPlans()
	kept := &planned{}
	c.put("kept", kept)
	for i := range 20 * maxPlans {
		c.put(strconv.Itoa(i), &planned{})
		if c.get([]byte("kept")) != kept {
			t.Fatalf("a plan in use was forgotten after %d others", i)
		}
	}
	if n := len(c.young) + len(c.old); n > 2*maxPlans {
		t.Errorf("%d plans are kept, want at most %d", n, 2*maxPlans)
	}
	if c.get([]byte("0")) != nil {
		t.Error("a plan that nobody uses is kept")
	}
}
