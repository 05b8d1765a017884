package audit

import (
	"fmt"
	"slices"
)

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

// rank is 0 for what is no severity.
func (s Severity) rank() int {
	return slices.Index([]Severity{Info, Low, Medium, High, Critical}, s) + 1
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
