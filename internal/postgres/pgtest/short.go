package pgtest

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Full leaves a test to the full run: with go test -short it is skipped. It is for cases
// of a guarantee that a short test keeps, too: of those named in keep, by the last part of
// the name as it is given to t.Run, none is skipped.
func Full(t testing.TB, keep ...string) {
	t.Helper()
	if !testing.Short() || slices.ContainsFunc(keep, func(name string) bool {
		return strings.HasSuffix(t.Name(), "/"+strings.ReplaceAll(name, " ", "_"))
	}) {
		return
	}
	t.Skip("left to the full run")
}

// OneOf leaves the nth of many cases to the full run, but for each of a number: what they
// have in common is seen by some of them.
func OneOf(t testing.TB, each, nth int) {
	t.Helper()
	if nth%each != 0 {
		Full(t)
	}
}

// Rounds is how often a test with random moments or inputs goes on: as the environment
// says, else full times, or short times with go test -short.
func Rounds(t testing.TB, env string, full, short int) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv(env))
	switch {
	case err == nil:
		return n
	case testing.Short():
		return short
	}
	return full
}
