package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/metertest"
	"github.com/moat-db/moat/proxy"
	"github.com/moat-db/moat/watch"
)

// The alert rules, and the page about them, name metrics that there are; the page names all.
func TestMonitoringNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	page, rules := readFile(t, "../../docs/how-to/monitor.md"), readFile(t, "../../examples/monitoring/moat.rules.yaml")
	known := map[string]bool{}
	var meter metertest.Meter
	if _, err := proxy.New(proxy.Config{Server: &pgconn.Config{}, Options: &moat.Options{}, Meter: &meter,
		Verify: (&service{}).verifyForProxy}); err != nil {
		t.Fatal(err)
	}
	(&watch.Watcher{}).Measure(&meter)
	(&nightly{}).measure(&meter)
	for _, name := range meter.Names() {
		known[name] = true
	}
	for _, m := range regexp.MustCompile(`"(moat_(?:http|pool|schema|tenant)_\w+)"`).FindAllStringSubmatch(
		readFile(t, "../../api/metrics.go"), -1) {
		known[m[1]] = true
	}
	if len(known) < 20 {
		t.Fatalf("found %d metrics: %v", len(known), known)
	}
	for metric := range known {
		if !strings.Contains(page, "`"+metric+"`") {
			t.Errorf("the page does not name %s", metric)
		}
	}
	used := regexp.MustCompile(`moat_(?:watch|prove|http|pool|proxy|schema|tenant)_\w+`).FindAllString(page+rules, -1)
	for _, metric := range used {
		if !known[metric] {
			t.Errorf("there is no metric %s", metric)
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
