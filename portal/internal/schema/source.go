package schema

import (
	"context"
	"sync"

	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
)

// Source answers with the schema of the moment, made anew when the database has
// another one. It is safe for concurrent use.
type Source struct {
	// Read is asked each time; another pointer means a changed schema.
	Read func(context.Context) (*policy.View, error)
	Door *serving.Door
	Said

	mu   sync.Mutex
	last *Schema
}

// Schema returns the schema of the moment.
func (s *Source) Schema(ctx context.Context) (*Schema, error) {
	read, err := s.Read(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || s.last.View != read {
		check, err := s.Door.Check(read)
		if err != nil {
			return nil, err
		}
		exposed, err := s.Door.Expose(read)
		if err != nil {
			return nil, err
		}
		if err := known(exposed, s.Shown); err != nil {
			return nil, err
		}
		s.last = Build(exposed, check, s.Said)
		// Where what is below cannot be served the API says why, in the log.
		if below, err := s.Door.Below(read); below != nil && err == nil && below.List != nil {
			s.last.Below = BuildBelow(below, s.Said)
		}
	}
	return s.last, nil
}
