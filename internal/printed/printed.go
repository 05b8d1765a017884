// Package printed keeps what a program under test prints.
package printed

import (
	"bytes"
	"regexp"
	"sync"
	"testing"
	"time"
)

// Output is what a program printed so far. The zero Output is ready.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Find waits until a pattern is printed, a minute at most, and returns what stands in its
// first parentheses, or else all of it.
func (o *Output) Find(t testing.TB, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if found := re.FindStringSubmatch(o.String()); found != nil {
			return found[len(found)-1]
		}
	}
	t.Fatalf("%q did not come; got:\n%s", pattern, o)
	return ""
}
