package main

import (
	"os"
	"runtime/pprof"
)

// profiled writes a processor profile to the file until the returned function is called.
func profiled(name string) func() {
	if name == "" {
		return func() {}
	}
	file, err := os.Create(name)
	if err != nil || pprof.StartCPUProfile(file) != nil {
		return func() {}
	}
	return func() { pprof.StopCPUProfile(); _ = file.Close() }
}
