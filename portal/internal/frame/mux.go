package frame

import "net/http"

// Mux is where the rooms mount their pages. What was mounted can be listed: a test walks all
// of it, as whoever should see nothing there.
type Mux struct {
	mux      *http.ServeMux
	patterns []string
}

// NewMux returns a Mux without pages.
func NewMux() *Mux { return &Mux{mux: http.NewServeMux()} }

// Handle adds a page.
func (m *Mux) Handle(pattern string, h http.Handler) {
	m.patterns = append(m.patterns, pattern)
	m.mux.Handle(pattern, h)
}

// Patterns are those of all pages, in the order in which they were added.
func (m *Mux) Patterns() []string { return m.patterns }

// ServeHTTP serves the page of a request's path.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }
