// Package exporters takes what moat's servers tell of themselves, package telemetry, to
// Prometheus and OpenTelemetry. It is of the command's module, so that package moat needs neither.
//
// # Guarantee
//
// A request waits for no exporter: metrics are read when they are asked for, and spans are sent
// in the background, and dropped where nobody takes them.
//
// # Limits
//
// [Prometheus] panics, as its registry does, where a name is registered already: a registry
// takes one Handler, one Proxy and one Watcher.
package exporters

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/moat-db/moat/telemetry"
)

// Metrics returns a Meter over a registry of its own, which has the process's metrics too, and
// what serves them.
func Metrics() (telemetry.Meter, http.Handler) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return Prometheus(registry), promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Prometheus returns a Meter whose metrics are registered at r.
func Prometheus(r prometheus.Registerer) telemetry.Meter { return meter{r} }

type meter struct{ prometheus.Registerer }

func (m meter) Counter(name, help string, labels ...string) func(...string) func(float64) {
	all := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.MustRegister(all)
	return func(values ...string) func(float64) { return all.WithLabelValues(values...).Add }
}

func (m meter) Histogram(name, help string, buckets []float64, labels ...string) func(...string) func(float64) {
	all := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.MustRegister(all)
	return func(values ...string) func(float64) { return all.WithLabelValues(values...).Observe }
}

func (m meter) Gauge(name, help string, read func() (float64, bool)) {
	m.MustRegister(gauge{prometheus.NewDesc(name, help, nil, nil), read})
}

// gauge is read when somebody asks.
type gauge struct {
	*prometheus.Desc
	read func() (float64, bool)
}

func (g gauge) Describe(to chan<- *prometheus.Desc) { to <- g.Desc }

func (g gauge) Collect(to chan<- prometheus.Metric) {
	if value, ok := g.read(); ok {
		to <- prometheus.MustNewConstMetric(g.Desc, prometheus.GaugeValue, value)
	}
}
