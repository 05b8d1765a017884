package telemetry_test

import (
	"expvar"
	"fmt"
	"strings"

	"github.com/moat-db/moat/telemetry"
)

// variables is a Meter over the standard library's expvar.
type variables struct{ *expvar.Map }

func (v variables) Counter(name, _ string, _ ...string) func(...string) func(float64) {
	return func(values ...string) func(float64) {
		return func(by float64) { v.AddFloat(strings.Join(append([]string{name}, values...), " "), by) }
	}
}

func (v variables) Histogram(name, help string, _ []float64, labels ...string) func(...string) func(float64) {
	return v.Counter(name, help, labels...)
}

func (v variables) Gauge(name, _ string, read func() (float64, bool)) {
	v.Set(name, expvar.Func(func() any {
		value, _ := read()
		return value
	}))
}

func Example() {
	own := variables{new(expvar.Map)}
	var meter telemetry.Meter = own // for api.Config.Meter, proxy.Config.Meter and Watcher.Measure
	requests := meter.Counter("requests", "Requests by method and status.", "method", "status")
	requests("GET", "200")(1)
	requests("GET", "200")(1)
	requests("GET", "404")(1)
	fmt.Println(own)
	// Output: {"requests GET 200": 2, "requests GET 404": 1}
}
