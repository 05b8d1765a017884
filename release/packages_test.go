package release

import (
	"bufio"
	"context"
	"debug/elf"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestPackages builds this machine's program and packages as a release would, and uses them as a
// stranger does: the demo in an empty folder without Go, the package's program where dpkg puts it.
// The archives of all platforms are goreleaser's work, which takes minutes to compile: make snapshot.
func TestPackages(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Fatal("packages are made and tried on Linux")
	}
	dist := t.TempDir()
	command(t, "..", "go", "build", "-trimpath", "-ldflags", "-s -w -X github.com/moat-db/moat/internal/cli.version=1.2.3",
		"-o", filepath.Join(dist, "moat"), "./cmd/moat")
	command(t, "..", "./release/pages")
	command(t, ".", "go", "build", "-o", filepath.Join(dist, "pack"), "./pack")
	command(t, "..", filepath.Join(dist, "pack"), "-program", filepath.Join(dist, "moat"), "-version", "1.2.3", "-arch",
		runtime.GOARCH, "-o", dist)
	t.Run("demo", func(t *testing.T) {
		folder := t.TempDir()
		command(t, folder, "cp", filepath.Join(dist, "moat"), ".")
		demoAnswers(t, exec.Command(filepath.Join(folder, "moat"), demoArgs...), folder)
	})
	t.Run("deb", func(t *testing.T) { deb(t, only(t, dist, "*.deb")) })
	t.Run("rpm", func(t *testing.T) { rpm(t, only(t, dist, "*.rpm")) })
}

// deb installs the package into a folder of its own, with dpkg's own account of what is installed.
func deb(t *testing.T, file string) {
	root := t.TempDir()
	for _, folder := range []string{"info", "updates"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"status", "available"} {
		if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg", file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	command(t, ".", "dpkg", "--force-not-root", "--root="+root, "--install", file)
	program := filepath.Join(root, "usr/bin/moat")
	static(t, program)
	if out := command(t, root, program, "--version"); out != "moat version v1.2.3\n" {
		t.Errorf("the packaged program says %q", out)
	}
	for _, path := range []string{"usr/share/man/man1/moat-serve.1.gz", "usr/share/bash-completion/completions/moat",
		"usr/lib/systemd/system/moat.service", "etc/moat"} {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Error(err)
		}
	}
	if out := command(t, ".", "bash", "-c", ". "+filepath.Join(root, "usr/share/bash-completion/completions/moat")+
		" && complete -p moat"); !strings.Contains(out, "moat") {
		t.Errorf("bash completes nothing: %q", out)
	}
}

// static: the program asks for no library of the machine that it is put on.
func static(t *testing.T, program string) {
	t.Helper()
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("it needs %v, %v", libraries, err)
	}
}

// rpm is read by its lead, which rpm itself reads first; nothing here installs it.
func rpm(t *testing.T, file string) {
	text := read(t, file)
	if !strings.HasPrefix(string(text), "\xed\xab\xee\xdb") || !strings.Contains(string(text[:96]), "moat") {
		t.Errorf("not an rpm of moat: % x", text[:16])
	}
}

// TestImage builds the small image, and runs its program in a changed root: there is an engine
// hardly anywhere that tests run. The other image takes Debian's packages: make image.
func TestImage(t *testing.T) {
	command(t, "..", "./release/images", "serve")
	c := imageConfig(t, only(t, "../dist", "moat-serve.tar"))
	runs := strings.Join(append(c.Config.Entrypoint, c.Config.Cmd...), " ")
	if c.Config.User != "65532" || !strings.HasPrefix(runs, "/usr/bin/moat serve") {
		t.Errorf("it runs %s as %q", runs, c.Config.User)
	}
	root := t.TempDir()
	command(t, ".", "tar", "xf", only(t, "../dist", "moat-serve-root.tar"), "-C", root)
	static(t, filepath.Join(root, "usr/bin/moat"))
	out := command(t, ".", "chroot", "--userspec=65532:65532", root, "/usr/bin/moat", "version")
	if !strings.HasPrefix(out, "moat ") {
		t.Errorf("the program in it says %q", out)
	}
	authorities := read(t, filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
	if !strings.Contains(string(authorities), "BEGIN CERTIFICATE") {
		t.Error("it trusts nobody")
	}
}

type imageFile struct {
	Config struct {
		User            string
		Entrypoint, Cmd []string
	}
}

// imageConfig reads what an engine would read of an image.
func imageConfig(t *testing.T, archive string) (c imageFile) {
	t.Helper()
	var manifest []struct{ Config string }
	if err := json.Unmarshal([]byte(command(t, ".", "tar", "xOf", archive, "manifest.json")), &manifest); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(command(t, ".", "tar", "xOf", archive, manifest[0].Config)), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

var demoArgs = []string{"demo", "--addr", "127.0.0.1:0", "--format", "json"}

// demoAnswers starts a demo and asks it as a client: its own leads, and none of another's.
func demoAnswers(t *testing.T, c *exec.Cmd, folder string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c.Dir, c.Stderr = folder, os.Stderr
	c.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + folder, "TMPDIR=/tmp"}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer stop(t, c)
	stopped := context.AfterFunc(ctx, func() { _ = c.Process.Kill() })
	defer stopped()
	line, err := bufio.NewReaderSize(out, 1<<20).ReadString('\n')
	if err != nil {
		t.Fatalf("the demo said %q: %v", line, err)
	}
	var d struct {
		API     string `json:"api_url"`
		Clients []struct{ Tenant, Token string }
	}
	if err := json.Unmarshal([]byte(line), &d); err != nil || len(d.Clients) < 2 {
		t.Fatalf("%q: %v", line, err)
	}
	for i, want := range []string{"own", "none"} {
		rows := leads(t, d.API, d.Clients[0].Token, d.Clients[i].Tenant)
		if (len(rows) > 0) != (want == "own") {
			t.Errorf("client A sees %d leads of client %c", len(rows), 'A'+i)
		}
	}
}

func stop(t *testing.T, c *exec.Cmd) {
	t.Helper()
	_ = c.Process.Signal(os.Interrupt) // it may have ended
	if err := c.Wait(); err != nil {
		t.Errorf("the demo ended with %v", err)
	}
}

func leads(t *testing.T, api, token, tenant string) (rows []json.RawMessage) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		api+"/leads?select=id&limit=5&or=(tenant_id.eq."+tenant+",and(tenant_id.eq."+tenant+",id.not.is.null))", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s, %v", response.Status, body, err)
	}
	if err := json.Unmarshal(body, &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// only is the one file of a folder that a pattern names.
func only(t *testing.T, folder, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func command(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = folder
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}
