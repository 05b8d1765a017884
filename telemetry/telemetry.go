// Package telemetry is what moat's servers tell of themselves: metrics and traces, without a
// library for either.
//
// [Meter] and [Tracer] are hooks of packages api, proxy and watch. Those over Prometheus and
// OpenTelemetry are in package github.com/moat-db/moat/cmd/moat/exporters, which is of another
// module: a program that imports moat keeps its own versions of both libraries, or has neither.
//
// # Guarantee
//
// What reaches a hook holds names of the schema, tenants, codes and counts: no token, no SQL, no
// query string and no row value. The number of metrics does not grow with what clients send.
//
// # Limits
//
// A hook runs within requests: one that waits makes them wait.
package telemetry

// Meter makes metrics. Each name is asked for once. What it returns is safe for concurrent use.
type Meter interface {
	// Counter makes a figure that only grows. The first function picks the one with these values
	// of the labels, in their order; the second adds to it.
	Counter(name, help string, labels ...string) func(values ...string) func(by float64)
	// Histogram counts observations by buckets, whose upper bounds rise.
	Histogram(name, help string, buckets []float64, labels ...string) func(values ...string) func(observed float64)
	// Gauge makes a figure that is read when somebody asks; there is none while ok is false.
	Gauge(name, help string, read func() (value float64, ok bool))
}

// Discard is a Meter that keeps nothing.
type Discard struct{}

// Counter counts nothing.
func (Discard) Counter(string, string, ...string) func(...string) func(float64) { return discard }

// Histogram keeps no observation.
func (Discard) Histogram(string, string, []float64, ...string) func(...string) func(float64) {
	return discard
}

// Gauge reads nothing.
func (Discard) Gauge(string, string, func() (float64, bool)) {}

func discard(...string) func(float64) { return func(float64) {} }
