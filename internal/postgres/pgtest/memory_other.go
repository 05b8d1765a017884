//go:build !linux

package pgtest

// memoryFolder is empty where no folder in memory is at hand.
func memoryFolder() string { return "" }
