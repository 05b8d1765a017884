package main

import "testing"

// TestAlternateInNoTime: a window that is over at once still has statements of both sides to compare.
func TestAlternateInNoTime(t *testing.T) {
	t.Parallel()
	took, err := alternate(0, func(int) error { return nil })
	if err != nil || len(took[0]) == 0 || len(took[1]) == 0 {
		t.Fatalf("%d and %d statements, %v", len(took[0]), len(took[1]), err)
	}
}
