// Package e2e tests what moat protect --emit writes with the migration tools
// themselves, as libraries. It is a module of its own so that the library does not
// depend on them.
package e2e
