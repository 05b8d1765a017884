package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/proxy"
	"github.com/moat-db/moat/watch"
)

// The alert rules, and the page about them, name metrics that there are; the page names all.
func TestMonitoringNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	page, rules := readFile(t, "../../docs/how-to/monitor.md"), readFile(t, "../../examples/monitoring/moat.rules.yaml")
	known := map[string]bool{}
	name := regexp.MustCompile(`fqName: "(moat_\w+)"`)
	p, err := proxy.New(proxy.Config{Server: &pgconn.Config{}, Options: &moat.Options{},
		Verify: (&service{}).verifyForProxy})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []prometheus.Collector{p, &watch.Watcher{}, &nightly{}} {
		descs := make(chan *prometheus.Desc, 50)
		c.Describe(descs)
		close(descs)
		for d := range descs {
			known[name.FindStringSubmatch(d.String())[1]] = true
		}
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
