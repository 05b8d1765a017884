package frame

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// keeping returns sessions that a database keeps.
func keeping(t *testing.T) (*Sessions, *pgtest.Database) {
	t.Helper()
	db := pgtest.New(t)
	app := db.AppRole(t)
	pool, err := pgxpool.New(t.Context(), db.As(t, db.Role(t, "keeper", "LOGIN")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	admin, err := pgx.ParseConfig(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	store := &Store{Pool: pool, Admin: admin}
	if err := store.Prepare(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	f := &Frame{Config: Config{Now: time.Now, Store: store}, secret: []byte("key")}
	return f.Sessions("room", "/"), db
}

func signInAs(t *testing.T, s *Sessions, subject string) *http.Request {
	t.Helper()
	nobody := httptest.NewRequest(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	if err := s.Start(w, nobody, &Session{Token: "a.b.c", Expires: time.Now().Add(time.Hour),
		Identity: auth.Identity{Issuer: "https://id.test", Subject: subject}}); err != nil {
		t.Error(err)
	}
	return browse(nobody, w)
}

// Somebody's sign-ins end the oldest of their own, and nobody else's.
func TestSessionsAreBoundedBySubject(t *testing.T) {
	t.Parallel()
	s, db := keeping(t)
	mine := signInAs(t, s, "me")
	first := signInAs(t, s, "other")
	n, workers := 20_000, 4
	if testing.Short() {
		n = 400
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range n / workers {
				signInAs(t, s, "other")
			}
		})
	}
	wg.Wait()
	last := signInAs(t, s, "other")
	if of(t, s, mine) == nil || of(t, s, last) == nil {
		t.Error("the sign-ins of another ended a session")
	}
	if of(t, s, first) != nil {
		t.Error("the oldest session of many is still there")
	}
	if rows := count(t, db); rows > maxSessions+workers+1 {
		t.Errorf("%d rows after %d sign-ins", rows, n)
	}
}

func count(t *testing.T, db *pgtest.Database) int {
	t.Helper()
	var rows string
	if err := db.Conn(t, db.URL).QueryRow(t.Context(), "select count(*)::text from moat.portal_session").
		Scan(&rows); err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(rows)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Whoever writes rows of the table cannot make a session of another's, nor prolong one.
func TestKeptSessionsAreSealed(t *testing.T) {
	t.Parallel()
	s, db := keeping(t)
	a, b := signInAs(t, s, "a"), signInAs(t, s, "b")
	db.Exec(t, `update moat.portal_session x set value = y.value from moat.portal_session y where x.id <> y.id`)
	if of(t, s, a) != nil || of(t, s, b) != nil {
		t.Error("a session opens with another's cookie")
	}
	s.frame.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	c := signInAs(t, s, "c")
	if of(t, s, c) != nil {
		t.Error("an expired session opens")
	}
	db.Exec(t, "update moat.portal_session set expires = now() + interval '9 years'")
	if of(t, s, c) != nil {
		t.Error("a session is prolonged in the table")
	}
	signInAs(t, s, "d")
	other := (&Frame{Config: s.frame.Config, secret: []byte("other")}).Sessions("room", "/")
	if of(t, other, a) != nil || of(t, s.frame.Sessions("desk", "/"), a) != nil {
		t.Error("another key or another room opens a session")
	}
}
