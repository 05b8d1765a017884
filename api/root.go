package api

import (
	"net/http"
)

// root describes the API.
func (h *Handler) root(w http.ResponseWriter, q *request) error {
	if !safe(q.Method) {
		return errMethod(q.Method)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
