package api

import (
	"net/http"
	"slices"

	"github.com/moat-db/moat/internal/serving"
)

// cors answers browsers of the configured origins. Credentials are never allowed:
// the token travels in a header that the page sets itself.
func (h *Handler) cors(next http.Handler) http.Handler {
	origins := h.config.CORSOrigins
	if len(origins) == 0 {
		return next
	}
	anyOrigin := slices.Contains(origins, "*")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if origin == "" || !(anyOrigin || slices.Contains(origins, origin)) {
			next.ServeHTTP(w, r)
			return
		}
		header := w.Header()
		header.Set("Access-Control-Allow-Origin", origin)
		if anyOrigin {
			header.Set("Access-Control-Allow-Origin", "*")
		}
		header.Add("Vary", "Origin")
		header.Set("Access-Control-Expose-Headers",
			"Content-Range, Content-Location, Location, Preference-Applied, ETag, Link, Moat-Next-Cursor, "+
				serving.WrittenHeader+", Retry-After, Server-Timing, X-Request-Id")
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		header.Set("Access-Control-Allow-Methods", "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD")
		// Any header may be sent: an origin that may bring a token may as well bring
		// traceparent, or what a client library of tomorrow adds.
		allow := "Authorization, Content-Type, Accept, Accept-Profile, Content-Profile, Prefer, Range, Range-Unit, " +
			"If-Match, If-None-Match, X-Request-Id, X-Client-Info, apikey, " + widthHeader +
			", " + serving.ChoiceHeader + ", " + serving.ReadAfterHeader
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			allow = asked
			header.Add("Vary", "Access-Control-Request-Headers")
		}
		header.Set("Access-Control-Allow-Headers", allow)
		header.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusOK)
	})
}
