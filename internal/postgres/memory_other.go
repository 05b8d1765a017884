//go:build !linux

package postgres

// MemoryDir returns a folder in memory, for [Options].Temp; empty when there is none.
func MemoryDir() string { return "" }
