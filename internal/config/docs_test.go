package config

import (
	"os"
	"regexp"
	"testing"
)

// The page that lists every key is itself a configuration: it parses strictly.
func TestReferencePageParses(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/reference/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("the page has no configuration")
	}
	c, err := Parse(block[1])
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Auth.Issuers) != 1 || len(c.Portal.Operators) != 1 {
		t.Errorf("parsed %+v", c)
	}
}
