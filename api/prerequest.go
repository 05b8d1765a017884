package api

import (
	"fmt"

	"github.com/moat-db/moat/api/schema"
	"github.com/moat-db/moat/catalog"
)

// PreRequestError says why the configured function cannot run before each statement. A
// check that is asked for must not be left out, so it ends [New].
type PreRequestError struct {
	Function catalog.QName
	Reason   string
}

func (e *PreRequestError) Error() string {
	return fmt.Sprintf("pre-request function %s: %s", e.Function, e.Reason)
}

func checkPreRequest(s *catalog.Snapshot, role string, f catalog.QName) error {
	if f.Name == "" {
		return nil
	}
	if reason := schema.Callable(s, role, f); reason != "" {
		return &PreRequestError{f, reason}
	}
	return nil
}
