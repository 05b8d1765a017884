package api

import (
	"fmt"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/policy"
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

func checkPreRequest(v *policy.View, f catalog.QName) error {
	if f.Name == "" {
		return nil
	}
	if reason := serving.Expose(v).Callable(f); reason != "" {
		return &PreRequestError{f, reason}
	}
	return nil
}
