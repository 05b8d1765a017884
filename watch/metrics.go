package watch

import "github.com/moat-db/moat/telemetry"

// Measure makes the metrics of what the last look found; there are none before the first. They
// have no labels: their number does not grow with the database.
func (w *Watcher) Measure(m telemetry.Meter) {
	gauge := func(name, help string, read func(Look) float64) {
		m.Gauge("moat_watch_"+name, help, func() (float64, bool) {
			look := w.Last()
			return read(look), !look.At.IsZero()
		})
	}
	gauge("alarm", "1 when the isolation drifted unannounced, or cannot be seen; 0 otherwise.",
		func(l Look) float64 { return oneIf(l.Alarm()) })
	gauge("up", "1 when the last look saw everything, 0 otherwise.",
		func(l Look) float64 { return oneIf(l.Error == "") })
	gauge("announced", "1 in the time of an announced migration, 0 otherwise.",
		func(l Look) float64 { return oneIf(l.Announced != nil) })
	gauge("last_look_timestamp_seconds", "When the last look was.",
		func(l Look) float64 { return float64(l.At.UnixMilli()) / 1000 })
	m.Gauge("moat_watch_drift", "Facts of the isolation that are not as accepted.", func() (float64, bool) {
		look := w.Last()
		return float64(len(look.Drift)), !look.At.IsZero() && look.Error == ""
	})
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
