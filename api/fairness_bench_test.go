package api_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moat-db/moat/api"
)

// BenchmarkFairness measures the p99 of one tenant alone and beside another that asks
// for twenty times its limit. "ratio" is the second over the first.
func BenchmarkFairness(b *testing.B) {
	s := serve(b, func(c *api.Config) {
		c.Logger = nil
		c.Limits.RequestsPerSecond, c.Limits.Burst = 100, 20
	})
	b.ResetTimer()
	alone := p99(b, s)
	var stop atomic.Bool
	var greedy sync.WaitGroup
	var answered, refused atomic.Int64
	for range 8 {
		greedy.Go(func() {
			r := request(b, s, tenantA, "leads?select=id,name&order=id")
			for !stop.Load() {
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, r)
				if w.Code == http.StatusTooManyRequests {
					refused.Add(1)
				} else {
					answered.Add(1)
				}
				time.Sleep(4 * time.Millisecond) // 8 × 250 requests in a second: 20 × 100
			}
		})
	}
	beside := p99(b, s)
	stop.Store(true)
	greedy.Wait()
	b.ReportMetric(float64(alone.Microseconds()), "p99-alone-µs")
	b.ReportMetric(float64(beside.Microseconds()), "p99-beside-µs")
	b.ReportMetric(float64(beside)/float64(alone), "ratio")
	b.ReportMetric(float64(refused.Load())/float64(refused.Load()+answered.Load()), "refused")
}

func request(b *testing.B, s *server, tenant, path string) *http.Request {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, "/rest/v1/"+path, nil)
	r.Header.Set("Authorization", "Bearer "+s.token(b, tenant))
	return r
}

// p99 asks at a normal pace, 80 requests in a second, for five seconds.
func p99(b *testing.B, s *server) time.Duration {
	b.Helper()
	r := request(b, s, tenantB, "leads?select=id,name&order=id")
	var took []time.Duration
	tick := time.NewTicker(time.Second / 80)
	defer tick.Stop()
	for range 400 {
		<-tick.C
		start := time.Now()
		w := httptest.NewRecorder()
		if s.handler.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatalf("status %d: %s", w.Code, w.Body)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}
