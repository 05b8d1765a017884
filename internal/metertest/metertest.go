// Package metertest keeps metrics for tests to look at.
package metertest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Meter is a telemetry.Meter. The zero Meter is ready.
type Meter struct {
	mu     sync.Mutex
	names  []string
	counts map[string]float64
	gauges map[string]func() (float64, bool)
}

// Counter counts by name{label="value",...}.
func (m *Meter) Counter(name, _ string, labels ...string) func(...string) func(float64) {
	m.named(name)
	return func(values ...string) func(float64) {
		key := name + braced(labels, values)
		m.add(key, 0)
		return func(by float64) { m.add(key, by) }
	}
}

// Histogram counts observations, and knows no buckets.
func (m *Meter) Histogram(name, help string, _ []float64, labels ...string) func(...string) func(float64) {
	count := m.Counter(name, help, labels...)
	return func(values ...string) func(float64) { return func(float64) { count(values...)(1) } }
}

// Gauge is read by Values.
func (m *Meter) Gauge(name, _ string, read func() (float64, bool)) {
	m.named(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gauges == nil {
		m.gauges = map[string]func() (float64, bool){}
	}
	m.gauges[name] = read
}

// Names are those of all metrics.
func (m *Meter) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.names)
}

// Values are the metrics as they are now.
func (m *Meter) Values() map[string]float64 {
	m.mu.Lock()
	out, gauges := maps.Clone(m.counts), maps.Clone(m.gauges)
	m.mu.Unlock()
	if out == nil {
		out = map[string]float64{}
	}
	for name, read := range gauges {
		if value, ok := read(); ok {
			out[name] = value
		}
	}
	return out
}

// ServeHTTP writes a line for each of the values, as Prometheus reads them.
func (m *Meter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	values := m.Values()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintln(w, key, strconv.FormatFloat(values[key], 'g', -1, 64))
	}
}

// named panics where a name is taken: Prometheus would.
func (m *Meter) named(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.names, name) {
		panic("two metrics " + name)
	}
	m.names = append(m.names, name)
}

func (m *Meter) add(key string, by float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counts == nil {
		m.counts = map[string]float64{}
	}
	m.counts[key] += by
}

func braced(labels, values []string) string {
	if len(labels) != len(values) {
		panic(fmt.Sprintf("%d values for %v", len(values), labels))
	}
	pairs := make([]string, len(labels))
	for i, l := range labels {
		pairs[i] = l + "=" + strconv.Quote(values[i])
	}
	if slices.Sort(pairs); len(pairs) > 0 {
		return "{" + strings.Join(pairs, ",") + "}"
	}
	return ""
}
