package release

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const (
	rootModule = "github.com/moat-db/moat"
	// others are what a program may have of its own, in versions of its own.
	others = `module example.com/leads

go 1.26.0

require (
	github.com/jackc/pgx/v5 v5.12.0
	github.com/prometheus/client_golang v1.22.0
	go.opentelemetry.io/otel v1.40.0
	golang.org/x/tools v0.48.0
)
`
)

// TestModules publishes the commit's modules to a proxy in a folder, and builds of them what others
// would: programs over package moat, moatsql and moatriver, and the command.
func TestModules(t *testing.T) {
	t.Parallel()
	p := publish(t)
	t.Run("library", func(t *testing.T) {
		t.Parallel()
		folder := t.TempDir()
		write(t, folder, "go.mod", others)
		before := p.versions(t, folder)
		write(t, folder, "main.go", `package main

import (
	"fmt"

	"`+rootModule+`"
	"`+rootModule+`/moatsql"
)

func main() { fmt.Println(moat.ErrNoTenant, moatsql.Open) }
`)
		p.goes(t, folder, "get", rootModule+"@"+p.version)
		after := p.versions(t, folder)
		for _, prefix := range []string{"go.opentelemetry.io/otel", "github.com/prometheus/", "golang.org/x/tools"} {
			seen := false
			for path, version := range after {
				if seen = seen || strings.HasPrefix(path, prefix); strings.HasPrefix(path, prefix) && before[path] != version {
					t.Errorf("%s was %q, and is %s", path, before[path], version)
				}
			}
			if !seen {
				t.Errorf("the program lost %s", prefix)
			}
		}
		p.goes(t, folder, "run", ".")
	})
	t.Run("moatriver", func(t *testing.T) {
		t.Parallel()
		folder := t.TempDir()
		write(t, folder, "go.mod", "module example.com/jobs\n\ngo 1.26.0\n")
		write(t, folder, "main.go", "package main\n\nimport _ \""+rootModule+"/moatriver\"\n\nfunc main() {}\n")
		p.goes(t, folder, "get", rootModule+"/moatriver@"+p.version)
		p.goes(t, folder, "build", ".")
	})
	t.Run("command", func(t *testing.T) {
		t.Parallel()
		folder := t.TempDir()
		p.goes(t, folder, "install", rootModule+"/cmd/moat@"+p.version)
		if out := command(t, folder, filepath.Join(p.folder, "bin", "moat"), "--version"); out !=
			"moat version "+p.version+"\n" {
			t.Errorf("the installed program says %q", out)
		}
	})
}

// publication is a module proxy in a folder, with what a user of it has.
type publication struct{ folder, version string }

// publish makes the modules of the commit as a tag would, in the version that those beside the root
// require of it.
func publish(t *testing.T) publication {
	t.Helper()
	p := publication{folder: t.TempDir(), version: required(t, "cmd/moat")}
	commit := filepath.Join(p.folder, "commit")
	command(t, "..", "sh", "-c", "mkdir "+commit+" && git archive HEAD | tar -x -C "+commit)
	for _, folder := range []string{"", "cmd/moat", "moatriver"} {
		if folder != "" && required(t, folder) != p.version {
			t.Errorf("%s requires another version than cmd/moat: %s", folder, required(t, folder))
		}
		p.add(t, module.Version{Path: strings.TrimSuffix(rootModule+"/"+folder, "/"), Version: p.version},
			filepath.Join(commit, folder))
	}
	return p
}

func (p publication) add(t *testing.T, m module.Version, folder string) {
	t.Helper()
	versions := filepath.Join(p.folder, "proxy", m.Path, "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, versions, "list", m.Version+"\n")
	write(t, versions, m.Version+".info", `{"Version":"`+m.Version+`"}`)
	write(t, versions, m.Version+".mod", string(read(t, filepath.Join(folder, "go.mod"))))
	file, err := os.Create(filepath.Join(versions, m.Version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(zip.CreateFromDir(file, m, folder), file.Close()); err != nil {
		t.Fatal(err)
	}
}

// required is the version of the root module that another requires.
func required(t *testing.T, folder string) string {
	t.Helper()
	var m struct{ Require []module.Version }
	text := command(t, filepath.Join("..", folder), "go", "mod", "edit", "-json")
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	for _, r := range m.Require {
		if r.Path == rootModule {
			return r.Version
		}
	}
	t.Fatalf("%s does not require %s", folder, rootModule)
	return ""
}

// goes runs the go command as a user's: modules of a cache of its own come from the publication,
// and the others' as they are here, or from the network.
func (p publication) goes(t *testing.T, folder string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Dir = folder
	here := strings.TrimSpace(command(t, ".", "go", "env", "GOMODCACHE"))
	c.Env = append(os.Environ(), "GOFLAGS=-mod=mod -modcacherw -trimpath", "GOSUMDB=off", "CGO_ENABLED=0", "GOWORK=off",
		"GOMODCACHE="+filepath.Join(p.folder, "cache"), "GOBIN="+filepath.Join(p.folder, "bin"),
		"GOPROXY=file://"+filepath.Join(p.folder, "proxy")+",file://"+filepath.Join(here, "cache", "download")+","+
			strings.TrimSpace(command(t, ".", "go", "env", "GOPROXY")))
	if args[0] == "install" { // which refuses -mod=mod
		c.Env = append(c.Env, "GOFLAGS=-modcacherw -trimpath")
	}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// versions are the modules of a program.
func (p publication) versions(t *testing.T, folder string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(p.goes(t, folder, "list", "-m", "-f", "{{.Path}} {{.Version}}", "all")) {
		if path, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "go: ") {
			out[path] = version
		}
	}
	return out
}

func write(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
