package api

import (
	"strconv"
	"time"
)

// The phases of a request, named as PostgREST names them; admission is the wait for a
// turn and the look at the tenant.
const (
	phaseJWT         = "jwt"
	phaseAdmission   = "admission"
	phaseParse       = "parse"
	phasePlan        = "plan"
	phaseTransaction = "transaction"
	phaseResponse    = "response"
)

// timing measures the phases of one request. A nil timing measures nothing.
type timing struct {
	last   time.Time
	phases []phase
}

// all are the phases of a request with a token. PostgREST names each in every answer; one that
// was not needed took no time.
func all() []phase {
	return []phase{{name: phaseJWT}, {name: phaseAdmission}, {name: phaseParse}, {name: phasePlan},
		{name: phaseTransaction}, {name: phaseResponse}}
}

type phase struct {
	name string
	took time.Duration
}

func (h *Handler) newTiming(start time.Time) *timing {
	if !h.config.ServerTiming {
		return nil
	}
	return &timing{last: start}
}

// mark ends a phase: the time since the one before belongs to it. A phase that comes
// again grows.
func (t *timing) mark(name string) {
	if t == nil {
		return
	}
	if name == phaseJWT {
		t.phases = all()
	}
	now := time.Now()
	took := now.Sub(t.last)
	t.last = now
	for i := range t.phases {
		if t.phases[i].name == name {
			t.phases[i].took += took
			return
		}
	}
	t.phases = append(t.phases, phase{name, took})
}

// header is the value of Server-Timing (W3C Server Timing), in milliseconds.
func (t *timing) header() string {
	var b []byte
	for i, p := range t.phases {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(append(b, p.name...), ";dur="...)
		b = strconv.AppendFloat(b, float64(p.took)/float64(time.Millisecond), 'f', 3, 64)
	}
	return string(b)
}
