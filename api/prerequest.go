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

// checkFunctions looks at the functions that the configuration names.
func checkFunctions(v *policy.View, c Config) error {
	callable := func(f catalog.QName) string {
		if f.Name == "" {
			return ""
		}
		return serving.Expose(v).Callable(f)
	}
	if reason := callable(c.PreRequest); reason != "" {
		return &PreRequestError{c.PreRequest, reason}
	}
	if reason := callable(c.RootSpec); reason != "" {
		return fmt.Errorf("function %s for the description of the API: %s", c.RootSpec, reason)
	}
	return nil
}
