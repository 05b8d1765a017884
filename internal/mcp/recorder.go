package mcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// recorder keeps an answer of the API, up to a size.
type recorder struct {
	header http.Header
	status int
	body   []byte
	most   int
	over   bool
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.over = w.over || len(w.body)+len(b) > w.most; !w.over {
		w.body = append(w.body, b...)
	}
	return len(b), nil
}

// answer returns the body, or the error that the API answered with.
func (w *recorder) answer() ([]byte, error) {
	if w.over {
		return nil, fmt.Errorf("the answer has more than %d bytes: ask for fewer columns or rows", w.most)
	}
	if w.status < http.StatusBadRequest {
		return w.body, nil
	}
	var refused struct{ Message, Hint string }
	if json.Unmarshal(w.body, &refused) != nil || refused.Message == "" {
		return nil, errors.New(http.StatusText(w.status))
	}
	if refused.Hint != "" {
		return nil, fmt.Errorf("%s (%s)", refused.Message, refused.Hint)
	}
	return nil, errors.New(refused.Message)
}
