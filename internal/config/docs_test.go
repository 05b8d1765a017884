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

// What is in front of users to copy is a configuration as well.
func TestDeployedConfigurationParses(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/kubernetes/moat.yaml")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)moat.yaml: [|]\n(.*?)\n---").FindSubmatch(text)
	if block == nil {
		t.Fatal("the manifests have no configuration")
	}
	c, err := Parse(regexp.MustCompile("(?m)^    ").ReplaceAll(block[1], nil))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Auth.Issuers) != 1 || c.Serve.MetricsAddress != ":9090" || c.Portal.SessionKeyEnv != "MOAT_SESSION_KEY" {
		t.Errorf("parsed %+v", c)
	}
}
