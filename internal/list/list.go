// Package list makes one list of another.
package list

import "strings"

// Map returns what f makes of each of all, in order: never nil.
func Map[T, U any](all []T, f func(T) U) []U {
	out := make([]U, len(all))
	for i, x := range all {
		out[i] = f(x)
	}
	return out
}

// Join joins what write makes of each of all.
func Join[T any](all []T, between string, write func(T) string) string {
	return strings.Join(Map(all, write), between)
}

// Filter returns those of all that are to be kept: nil where none is.
func Filter[T any](all []T, keep func(T) bool) []T {
	return Pick(all, func(x T) (T, bool) { return x, keep(x) })
}

// Pick is Map for those of all that f says are wanted: nil where none is.
func Pick[T, U any](all []T, f func(T) (U, bool)) (out []U) {
	for _, x := range all {
		if y, wanted := f(x); wanted {
			out = append(out, y)
		}
	}
	return out
}
