package pgtest_test

import (
	"fmt"
	"runtime"
	"testing"
)

// probeTB is a testing.TB whose failures are looked at instead of counted.
type probeTB struct {
	testing.TB
	message string
}

func (p *probeTB) Fatalf(format string, args ...any) {
	p.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (p *probeTB) Errorf(format string, args ...any) { p.message = fmt.Sprintf(format, args...) }

func (p *probeTB) Failed() bool { return p.message != "" }

func (p *probeTB) FailNow() { runtime.Goexit() }
