package serving

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hold is a handler behind a gate: it arrives for the tenant of the header, reads the
// body, takes a turn and writes as many bytes as the header says.
func hold(t *testing.T, g *Gate) http.Handler {
	t.Helper()
	return g.Hold(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := g.ExchangeOf(r)
		refuse := func(err error) bool {
			if err != nil {
				x.Fail(err)
			}
			return err != nil
		}
		if refuse(x.Arrive(r.Context(), r.Header.Get("Tenant"))) {
			return
		}
		if _, err := x.Body(r, g.BodyLimit()); refuse(err) || refuse(x.Turn(r.Context())) {
			return
		}
		var n int
		fmt.Sscan(r.Header.Get("Bytes"), &n)
		_, _ = w.Write(bytes.Repeat([]byte("x"), n)) // the gate keeps the error
	}), func(w http.ResponseWriter, _ *http.Request, err error) {
		status := http.StatusTeapot
		var refused *RefusedError
		switch {
		case errors.As(err, &refused) && refused.Busy:
			status = http.StatusServiceUnavailable
		case errors.As(err, &refused):
			status = http.StatusTooManyRequests
		case errors.As(err, new(*http.MaxBytesError)), errors.As(err, new(*TooLargeError)):
			status = http.StatusRequestEntityTooLarge
		case errors.Is(err, ErrBodySlow):
			status = http.StatusRequestTimeout
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, err.Error())
	})
}

// wire serves handler over connections in memory, whose clock is the bubble's, and
// returns how to open one.
func wire(t *testing.T, handler http.Handler) func() net.Conn {
	t.Helper()
	connections := make(chan net.Conn)
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(pipes{connections, t.Context()}) }()
	t.Cleanup(func() { _ = server.Close() })
	return func() net.Conn {
		client, end := net.Pipe()
		connections <- end
		return client
	}
}

type pipes struct {
	all chan net.Conn
	ctx context.Context
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.all:
		return c, nil
	case <-p.ctx.Done():
		return nil, net.ErrClosed
	}
}
func (pipes) Close() error   { return nil }
func (pipes) Addr() net.Addr { return &net.IPAddr{} }

const askFor = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTenant: %s\r\nBytes: %d\r\n" +
	"Content-Length: %d\r\n\r\n"

func send(t *testing.T, c net.Conn, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(c, format, args...); err != nil {
		t.Fatal(err)
	}
}

// Bodies that do not end and answers that are not read cost the tenant's others, and
// other tenants, no connection of the pool.
func TestSlowClientsHoldNoTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1, Limits{})
		dial := wire(t, hold(t, g))
		var open []net.Conn
		for range 20 {
			body, answer := dial(), dial()
			send(t, body, askFor, "hostile", 1, 1000)
			send(t, answer, askFor, "hostile", 100_000, 0)
			open = append(open, body, answer)
		}
		synctest.Wait()
		if g.free != 1 || g.nobody.held != 0 || g.held < 20*100_000 {
			t.Errorf("%d of 1 connection free, %d bytes held", g.free, g.held)
		}
		c := dial()
		send(t, c, askFor, "other", 5, 0)
		if got, err := io.ReadAll(c); err != nil || !bytes.HasSuffix(got, []byte("\r\n\r\nxxxxx")) {
			t.Errorf("another tenant: %v, %q", err, got)
		}
		for _, c := range open {
			c.Close()
		}
		synctest.Wait()
		if g.held != 0 || g.free != 1 || len(g.holding) != 0 || g.lanes["hostile"].open != 0 {
			t.Errorf("after all have gone %d bytes are held, %d requests open", g.held, g.lanes["hostile"].open)
		}
	})
}

// A client that sends and reads a little now and then takes as long as it likes; one that
// does nothing is cut off.
func TestSlowLivesAndDeadEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1, Limits{})
		dial := wire(t, hold(t, g))
		slow := dial()
		start := time.Now()
		send(t, slow, askFor, "slow", 3*piece, 10)
		for range 10 {
			time.Sleep(patience - time.Second)
			send(t, slow, "x")
		}
		var got []byte
		for part := make([]byte, piece/2); ; {
			n, err := slow.Read(part)
			if got = append(got, part[:n]...); err != nil {
				break
			}
			time.Sleep(patience / 3)
		}
		if !bytes.HasSuffix(got, bytes.Repeat([]byte("x"), 3*piece)) || time.Since(start) < 10*patience {
			t.Errorf("a slow client got %d bytes in %v", len(got), time.Since(start))
		}
		body, answer := dial(), dial()
		send(t, body, askFor, "dead", 1, 1000)
		send(t, answer, askFor, "dead", 3*piece, 0)
		time.Sleep(patience + time.Second)
		synctest.Wait()
		if got, _ := io.ReadAll(body); !strings.HasPrefix(string(got), "HTTP/1.1 408") {
			t.Errorf("a body that does not come: %.40q", got)
		}
		if g.held != 0 || g.lanes["dead"].open != 0 {
			t.Errorf("%d bytes held for the dead, %d requests open", g.held, g.lanes["dead"].open)
		}
	})
}

// Whoever does not take its answers loses them to who asks next; the sum stays bounded.
func TestHeldMemoryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1, Limits{TenantBytes: 1 << 20, AllBytes: 3 << 20, AnswerBytes: 512 << 10})
		dial := wire(t, hold(t, g))
		var most int64
		ask := func(tenant string, n int) net.Conn {
			c := dial()
			send(t, c, askFor, tenant, n, 0)
			synctest.Wait()
			most = max(most, g.held)
			return c
		}
		for i := range 40 {
			ask(fmt.Sprint("hostile", i%8), 300<<10)
			time.Sleep(stalled / 4)
		}
		if most > 3<<20 {
			t.Errorf("%d bytes were held", most)
		}
		for l := range g.holding {
			if l.held > 1<<20 {
				t.Errorf("tenant %s holds %d bytes", l.tenant, l.held)
			}
		}
		time.Sleep(stalled)
		c := ask("other", 300<<10)
		if got, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200") || len(got) < 300<<10 {
			t.Errorf("another tenant: %v, %.40q", err, got)
		}
		if got, _ := io.ReadAll(ask("other", 600<<10)); !strings.HasPrefix(string(got), "HTTP/1.1 413") {
			t.Errorf("too large: %.40q", got)
		}
	})
}

// One tenant has only so many requests at a time, whatever they wait for.
func TestOpenRequestsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1, Limits{Concurrent: 2, Waiting: 3})
		dial := wire(t, hold(t, g))
		for range 5 {
			send(t, dial(), askFor, "a", 1, 10)
		}
		synctest.Wait()
		c := dial()
		send(t, c, askFor, "a", 1, 0)
		if got, _ := io.ReadAll(c); !strings.HasPrefix(string(got), "HTTP/1.1 429") {
			t.Errorf("the sixth: %.40q", got)
		}
		time.Sleep(2 * moment) // until no refusal is held back
	})
}

func TestBody(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, strings.Repeat("x", 1000))
	z.Close()
	for _, tt := range []struct {
		name, encoding, body string
		want                 string
		wrong                error
	}{
		{"plain", "", "abc", "abc", nil},
		{"gzip", "gzip", zipped.String(), strings.Repeat("x", 1000), nil},
		{"not gzip", "gzip", "abc", "", ErrBodyUnread},
		{"cut off", "gzip", zipped.String()[:20], "", ErrBodyUnread},
		{"brotli", "br", "abc", "", ErrBodyEncoding},
		{"both", "gzip, br", "abc", "", ErrBodyEncoding},
		{"too long", "", strings.Repeat("x", 1001), "", &http.MaxBytesError{Limit: 1000}},
	} {
		g := NewGate(1, Limits{})
		r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(strings.NewReader(tt.body)))
		r.Header.Set("Content-Encoding", tt.encoding)
		got, err := g.ExchangeOf(r).Body(r, 1000)
		var tooLarge *http.MaxBytesError
		same := errors.Is(err, tt.wrong) || errors.As(err, &tooLarge) && errors.As(tt.wrong, &tooLarge)
		if string(got) != tt.want || !same {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
	bomb := bytes.Buffer{}
	z = gzip.NewWriter(&bomb)
	for range 100 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	g := NewGate(1, Limits{})
	r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(&bomb))
	r.Header.Set("Content-Encoding", "gzip")
	x := g.ExchangeOf(r)
	if _, err := x.Body(r, 1<<20); !errors.As(err, new(*http.MaxBytesError)) || x.held > 4<<20 {
		t.Errorf("a bomb: %v, %d bytes held", err, x.held)
	}
}

// A form with a file goes to the disk, and what is refused leaves nothing there. It is not
// parallel: it sets the folder of temporary files.
func TestUpload(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "archive")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(part, strings.Repeat("x", 2<<20))
	form.Close()
	for _, tt := range []struct {
		name          string
		length, limit int64
		want          int64
	}{{"whole", -1, 3 << 20, 2 << 20}, {"too long, and says so", int64(body.Len()), 1 << 20, 0},
		{"too long", -1, 1 << 20, 0}} {
		r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(bytes.NewReader(body.Bytes())))
		r.Header.Set("Content-Type", form.FormDataContentType())
		r.ContentLength = tt.length
		err := NewGate(1, Limits{}).ExchangeOf(r).Upload(r, tt.limit)
		if tt.want == 0 {
			if files, _ := os.ReadDir(dir); !errors.As(err, new(*http.MaxBytesError)) || len(files) > 0 {
				t.Errorf("%s: %v, left behind: %v", tt.name, err, files)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := r.MultipartForm.File["file"][0].Size; got != tt.want {
			t.Errorf("%s: %d bytes", tt.name, got)
		}
		if files, _ := os.ReadDir(dir); len(files) != 1 {
			t.Errorf("%s: on the disk: %v", tt.name, files)
		}
		r.MultipartForm.RemoveAll()
	}
}

// A hundred thousand tenants that come once leave nothing behind, and the last costs what
// the first did.
func TestGateForgetsTenants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{RequestsPerSecond: 100})
		most := 0
		for i := range 100_000 {
			leave, err := g.enter(t.Context(), fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			leave()
			time.Sleep(100 * time.Microsecond)
			most = max(most, len(g.lanes))
		}
		if most > 1000 || g.used.Len() != len(g.lanes) {
			t.Errorf("up to %d lanes, at the end %d in %d places", most, len(g.lanes), g.used.Len())
		}
	})
}

// A tenant that is at its rate, or in the middle of something, is not forgotten: it
// would begin anew.
func TestGateKeepsWhoIsNotDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{RequestsPerSecond: 1, Burst: 1})
		if _, err := g.enter(t.Context(), "running"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		leave, err := g.enter(t.Context(), "at its rate")
		if err != nil {
			t.Fatal(err)
		}
		leave()
		for i := range 100 {
			if leave, err := g.enter(t.Context(), fmt.Sprint(i)); err == nil {
				leave()
			}
		}
		if g.lanes["running"] == nil || g.lanes["running"].running != 1 {
			t.Error("a tenant with a statement running was forgotten")
		}
		if _, err := g.enter(t.Context(), "at its rate"); err == nil {
			t.Error("a tenant's rate was forgotten")
		}
	})
}

// The last connections are for tenants that have none, half of them for known ones.
func TestLastConnectionsAreForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{RequestsPerSecond: 0.001, Burst: 20}) // who has asked is not forgotten
		enter := func(tenant string) bool {
			_, err := g.enter(t.Context(), tenant)
			return err == nil
		}
		enter("a")
		enter("b")
		leave, err := g.enter(t.Context(), "known")
		if err != nil {
			t.Fatal(err)
		}
		leave()
		for range 5 {
			enter("a")
		}
		if enter("b") || enter("a") || !enter("c") || enter("d") || !enter("known") {
			t.Errorf("a runs %d, b %d, c %d", g.lanes["a"].running, g.lanes["b"].running, g.lanes["c"].running)
		}
	})
}

// They are not for tenants whose statements take long, one at a time though it be, until
// they are quick again.
func TestLastConnectionsAreForTheQuick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(8, Limits{})
		run := func(tenant string, took time.Duration) error {
			leave, err := g.enter(t.Context(), tenant)
			if err == nil {
				time.Sleep(took)
				leave()
			}
			return err
		}
		if err := errors.Join(run("slow", time.Second), run("quick", time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		var ends []func()
		for range 6 {
			leave, err := g.enter(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, leave)
		}
		if err := run("slow", 0); err == nil {
			t.Error("a tenant of long statements took one of the last connections")
		}
		if err := run("quick", 0); err != nil {
			t.Errorf("a quick tenant: %v", err)
		}
		x := &Exchange{gate: g, lane: g.lane("quick"), leave: func() {}}
		if err := x.Long(t.Context()); err == nil {
			t.Error("what is known to take long took one of the last connections")
		}
		ends[0]()
		for range 20 {
			if err := run("slow", 0); err != nil {
				t.Fatalf("beside the last connections: %v", err)
			}
		}
		if _, err := g.enter(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if err := run("slow", 0); err != nil {
			t.Errorf("a tenant that is quick again: %v", err)
		}
	})
}

func BenchmarkGate(b *testing.B) {
	for _, tenants := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(tenants), func(b *testing.B) {
			names := make([]string, tenants)
			for i := range names {
				names[i] = fmt.Sprint(i)
			}
			g := NewGate(8, Limits{RequestsPerSecond: 1e9})
			for i := 0; b.Loop(); i++ {
				leave, err := g.enter(b.Context(), names[i%tenants])
				if err != nil {
					b.Fatal(err)
				}
				leave()
			}
		})
	}
}
