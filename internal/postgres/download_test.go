package postgres

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// entry is one entry of a tarball that a test makes.
type entry struct {
	name, content string
	kind          byte
	mode          int64
}

func file(name, content string) entry { return entry{name, content, tar.TypeReg, 0o644} }

func tarball(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: e.mode}
		if e.kind == tar.TypeReg {
			header.Size = int64(len(e.content))
		} else {
			header.Linkname = e.content
		}
		if err := tw.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if e.kind == tar.TypeReg {
			if _, err := tw.Write([]byte(e.content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// build is a tarball as a real one is laid out.
func build(t *testing.T) []byte {
	t.Helper()
	program := "#!/bin/sh\necho 'postgres (PostgreSQL) 17.10'\n"
	return tarball(t,
		entry{"package/native/bin/postgres", program, tar.TypeReg, 0o755},
		entry{"package/native/bin/initdb", program, tar.TypeReg, 0o755},
		file("package/native/lib/libpq.so.5.17", "library"),
		file("package/native/pg-symlinks.json", `[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]`),
		file("package/package.json", "{}"))
}

func pinOf(content []byte) pin {
	sum := sha512.Sum512(content)
	return pin{"test-x64", "17.10.0-test", base64.StdEncoding.EncodeToString(sum[:])}
}

// serve is a fetcher that counts its calls.
func serve(content []byte, calls *atomic.Int32) fetcher {
	return func(_ context.Context, name, folder string) (string, error) {
		calls.Add(1)
		path := filepath.Join(folder, "build.tgz")
		return path, os.WriteFile(path, content, 0o600)
	}
}

func TestInstallFetchesOnce(t *testing.T) {
	t.Parallel()
	content, dir := build(t), t.TempDir()
	var calls atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			inst, err := pinOf(content).install(t.Context(), dir, serve(content, &calls))
			want := Installation{filepath.Join(dir, "17.10.0-test-test-x64", "bin"), 17, "17.10"}
			if err != nil || inst != want {
				t.Errorf("installed %+v, %v; want %+v", inst, err, want)
			}
		})
	}
	wg.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("fetched %d times, want once", n)
	}
	link := filepath.Join(dir, "17.10.0-test-test-x64", "lib", "libpq.so.5")
	if text, err := os.ReadFile(link); err != nil || string(text) != "library" {
		t.Errorf("library through its link: %q, %v", text, err)
	}
	if target, err := os.Readlink(link); err != nil || filepath.IsAbs(target) {
		t.Errorf("link to %q, %v; want a relative one", target, err)
	}
}

func TestInstallRefusesOtherBytes(t *testing.T) {
	t.Parallel()
	content, dir := build(t), t.TempDir()
	p := pinOf(content)
	changed := bytes.Clone(content)
	changed[len(changed)/2] ^= 1
	var calls atomic.Int32
	_, err := p.install(t.Context(), dir, serve(changed, &calls))
	if err == nil || !strings.Contains(err.Error(), "expected "+p.sha512) {
		t.Errorf("changed tarball: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "17*-x64"))
	work, _ := filepath.Glob(filepath.Join(dir, ".fetch-*"))
	if len(left)+len(work) != 0 {
		t.Errorf("a refused tarball left %v %v", left, work)
	}
	if _, err := p.install(t.Context(), dir, serve(content, &calls)); err != nil {
		t.Errorf("the right bytes afterwards: %v", err)
	}
}

func TestInstallReportsTheFetch(t *testing.T) {
	t.Parallel()
	broken := errors.New("no network")
	_, err := pinOf(nil).install(t.Context(), t.TempDir(),
		func(context.Context, string, string) (string, error) { return "", broken })
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want the fetcher's", err)
	}
}

// PATH is the whole process's, so this test runs alone.
func TestDownloadWithoutNpmSaysSo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(CacheEnv, t.TempDir())
	if _, err := Download(t.Context(), 17); err == nil || !strings.Contains(err.Error(), "npm is needed") {
		t.Errorf("error %v does not name npm", err)
	}
}

func TestUnpackRefusesHostileTarballs(t *testing.T) {
	t.Parallel()
	many := make([]entry, maxFiles+1)
	for i := range many {
		many[i] = file(fmt.Sprintf("package/native/f%d", i), "")
	}
	links := func(source, target string) entry {
		return file("package/native/pg-symlinks.json", fmt.Sprintf(`[{"source":%q,"target":%q}]`, source, target))
	}
	inside := file("package/native/lib/a", "x")
	tests := map[string][]entry{
		"parent":             {file("../evil", "x")},
		"absolute":           {file("/evil", "x")},
		"climbing out":       {file("package/native/../../../evil", "x")},
		"symbolic link":      {{"package/native/lib/l", "/etc", tar.TypeSymlink, 0o777}},
		"hard link":          {inside, {"package/native/lib/l", "package/native/lib/a", tar.TypeLink, 0o644}},
		"device":             {{"package/native/lib/d", "", tar.TypeChar, 0o644}},
		"twice the same":     {inside, inside},
		"file as folder":     {inside, file("package/native/lib/a/b", "x")},
		"too many files":     many,
		"listed link out":    {inside, links("native/lib/a", "native/../../evil")},
		"listed source out":  {inside, links("../../etc/passwd", "native/lib/b")},
		"listed absolute":    {inside, links("/etc/passwd", "native/lib/b")},
		"listed but missing": {inside, links("native/lib/missing", "native/lib/b")},
		"list is not JSON":   {file("package/native/pg-symlinks.json", "{")},
	}
	if testing.Short() {
		delete(tests, "too many files") // to write them takes seconds
	}
	for name, entries := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			if err := unpack(tarball(t, entries...), filepath.Join(parent, "native")); err == nil {
				t.Error("accepted")
			}
			if exists(filepath.Join(parent, "evil")) || exists("/evil") {
				t.Error("wrote outside of the folder")
			}
		})
	}
}

func TestUnpackRefusesRubbish(t *testing.T) {
	t.Parallel()
	for name, content := range map[string][]byte{"empty": nil, "text": []byte("hello"), "cut": build(t)[:100]} {
		if err := unpack(content, filepath.Join(t.TempDir(), "native")); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
