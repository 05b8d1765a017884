package api

import "time"

// StatusOf is the status of an error that no test server can raise.
var StatusOf = statusOf

// PreparedBytes is the estimate that the tests compare.
var PreparedBytes = preparedBytes

// DelayRenewal has the handler have read the schema so long from now.
func (h *Handler) DelayRenewal(d time.Duration) {
	h.renewing.Lock()
	defer h.renewing.Unlock()
	h.renewed = time.Now().Add(d)
}
