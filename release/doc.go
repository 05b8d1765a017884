// Package release holds what makes the archives, packages and images of moat, and tries them as a
// stranger would: without Go, in an empty folder.
package release
