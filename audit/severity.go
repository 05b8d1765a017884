package audit

import "fmt"

// Severity says how bad a finding is.
type Severity string

// The severities. Critical: another tenant's rows can be read or changed. High: the
// same under one more condition, or rows can be planted or probed for. Medium: facts
// about another tenant leak, or isolation is fragile. Low: true of most
// databases, or the cost of a choice. Info: worth knowing.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
	Info     Severity = "info"
)

func (s Severity) rank() int {
	switch s {
	case Critical:
		return 5
	case High:
		return 4
	case Medium:
		return 3
	case Low:
		return 2
	case Info:
		return 1
	}
	return 0
}

// AtLeast reports whether s is as bad as other or worse.
func (s Severity) AtLeast(other Severity) bool { return s.rank() >= other.rank() }

// ParseSeverity reads a severity's name.
func ParseSeverity(name string) (Severity, error) {
	s := Severity(name)
	if s.rank() == 0 {
		return "", fmt.Errorf("severity %q: use critical, high, medium, low or info", name)
	}
	return s, nil
}
