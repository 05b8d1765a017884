package serving

import (
	"context"
	"net/http"
	"time"

	"github.com/moat-db/moat"
)

// The headers by which a client reads what it has written where reads go to replicas: it
// sends back what the answer to its write said.
const (
	WrittenHeader   = "Moat-Written"
	ReadAfterHeader = "Moat-Read-After"
)

// WrittenCookie does the same for a browser's session.
const WrittenCookie = "moat_written"

// unknown is a position that no replica has: reads after it go to the primary.
const unknown = "unknown"

// OwnWrites lets a client read what it has written: by headers, and by a cookie where path is
// not empty. Without replicas it does nothing.
func OwnWrites(db *moat.DB, path string, next http.Handler) http.Handler {
	if db == nil || !db.Replicated() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after := r.Header.Get(ReadAfterHeader)
		if c, err := r.Cookie(WrittenCookie); err == nil && path != "" {
			after = c.Value
		}
		r = r.WithContext(moat.ReadAfter(r.Context(), moat.Position(after)))
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
		default:
			w = &writtenWriter{ResponseWriter: w, db: db, path: path}
		}
		next.ServeHTTP(w, r)
	})
}

// writtenWriter says, before the answer to a write begins, where the primary is: by then the
// write is committed.
type writtenWriter struct {
	http.ResponseWriter
	db   *moat.DB
	path string
	said bool
}

func (w *writtenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *writtenWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.say()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *writtenWriter) Write(b []byte) (int, error) {
	w.say()
	return w.ResponseWriter.Write(b)
}

// say goes on when the client has left: its next request may be under way.
func (w *writtenWriter) say() {
	if w.said {
		return
	}
	w.said = true
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	position, err := w.db.Written(ctx)
	if err != nil {
		position = unknown
	}
	w.Header().Set(WrittenHeader, string(position))
	if w.path != "" {
		// By its end every replica that is read has come so far.
		http.SetCookie(w, &http.Cookie{Name: WrittenCookie, Value: string(position), Path: w.path, HttpOnly: true,
			SameSite: http.SameSiteLaxMode, MaxAge: 1 + int(w.db.MaxLag()/time.Second)*2 + 60})
	}
}
