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
