package watch

import (
	"github.com/prometheus/client_golang/prometheus"
)

// descriptions are the metrics of a Watcher. They have no labels: their number does not grow
// with the database.
var descriptions = struct{ alarm, up, drift, announced, looked *prometheus.Desc }{
	prometheus.NewDesc("moat_watch_alarm",
		"1 when the isolation drifted unannounced, or cannot be seen; 0 otherwise.", nil, nil),
	prometheus.NewDesc("moat_watch_up", "1 when the last look saw everything, 0 otherwise.", nil, nil),
	prometheus.NewDesc("moat_watch_drift", "Facts of the isolation that are not as accepted.", nil, nil),
	prometheus.NewDesc("moat_watch_announced", "1 in the time of an announced migration, 0 otherwise.", nil, nil),
	prometheus.NewDesc("moat_watch_last_look_timestamp_seconds", "When the last look was.", nil, nil),
}

// Describe makes a Watcher a [prometheus.Collector].
func (w *Watcher) Describe(to chan<- *prometheus.Desc) {
	d := descriptions
	for _, desc := range []*prometheus.Desc{d.alarm, d.up, d.drift, d.announced, d.looked} {
		to <- desc
	}
}

// Collect sends what the last look found; nothing before the first.
func (w *Watcher) Collect(to chan<- prometheus.Metric) {
	look := w.Last()
	if look.At.IsZero() {
		return
	}
	send := func(desc *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	d := descriptions
	send(d.alarm, oneIf(look.Alarm()))
	send(d.up, oneIf(look.Error == ""))
	send(d.announced, oneIf(look.Announced != nil))
	send(d.looked, float64(look.At.UnixMilli())/1000)
	if look.Error == "" {
		send(d.drift, float64(len(look.Drift)))
	}
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
