package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// fakePrograms makes a bin folder whose postgres states a version.
func fakePrograms(t *testing.T, version string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", version)
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func TestNewestTakesTheHighestMajor(t *testing.T) {
	t.Parallel()
	pg9, pg14, pg15, pg18 := fakePrograms(t, "9.6.24"), fakePrograms(t, "14.2"),
		fakePrograms(t, "15.18 (Debian 15.18-0+deb12u1)"), fakePrograms(t, "18beta1")
	again15 := fakePrograms(t, "15.1")
	empty := t.TempDir()
	tests := []struct {
		name    string
		folders []string
		major   int
		want    Installation
	}{
		{"highest", []string{pg14, pg18, empty, pg15}, 0, Installation{pg18, 18, "18beta1"}},
		{"demanded", []string{pg14, pg18, pg15}, 15, Installation{pg15, 15, "15.18"}},
		{"first on a tie", []string{pg15, again15}, 0, Installation{pg15, 15, "15.18"}},
		{"too old", []string{pg9}, 0, Installation{}},
		{"not there", []string{pg14, pg18}, 16, Installation{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, ok := newest(t.Context(), test.folders, test.major)
			if got != test.want || ok != (test.want != Installation{}) {
				t.Errorf("got %+v %v, want %+v", got, ok, test.want)
			}
		})
	}
}

// The environment is the whole process's, so this test runs alone.
func TestFindLooksAtTheEnvironment(t *testing.T) {
	named, linked := fakePrograms(t, "16.3"), fakePrograms(t, "99.1")
	t.Setenv(BinEnv, named)
	if inst, err := Find(t.Context(), "", 0); err != nil || inst.Bin != named || inst.Version != "16.3" {
		t.Errorf("with %s: %+v, %v", BinEnv, inst, err)
	}
	if _, err := Find(t.Context(), "", 17); !errors.Is(err, ErrNotFound) {
		t.Errorf("another major than %s has: %v", BinEnv, err)
	}
	t.Setenv(BinEnv, "")
	dir := t.TempDir() // as /usr/bin: postgres alone, linked to where the rest is
	if err := os.Symlink(filepath.Join(linked, "postgres"), filepath.Join(dir, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if inst, err := Find(t.Context(), "", 0); err != nil || inst.Bin != linked {
		t.Errorf("along PATH: %+v, %v; want %s", inst, err, linked)
	}
}

func TestNoBinariesIsOneLineWithAHint(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Bin: t.TempDir()})
	if !errors.Is(err, ErrNotFound) {
		t.Fatalf("error %v is not ErrNotFound", err)
	}
	var notFound *NotFoundError
	if !errors.As(err, &notFound) {
		t.Fatalf("error %T carries no data", err)
	}
	for _, want := range []string{"install it", BinEnv, "--download-postgres"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error has several lines: %q", err)
	}
}

func TestMajorOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"15.18": 15, "18beta1": 18, "14\n": 14, "17": 17, "": 0, "devel": 0} {
		if got := majorOf(text); got != want {
			t.Errorf("majorOf(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestEveryPinIsWhole(t *testing.T) {
	t.Parallel()
	for _, p := range pins() {
		if len(p.sha512) != 88 || !strings.HasSuffix(p.sha512, "==") {
			t.Errorf("%s: %q is not a SHA-512 in base64", p.name(), p.sha512)
		}
	}
	for major := MinMajor; major <= 18; major++ {
		if p, err := findPin("linux-x64", major); err != nil || majorOf(p.version) != major {
			t.Errorf("major %d: %v %v", major, p, err)
		}
	}
	if p, err := findPin("linux-x64", 0); err != nil || majorOf(p.version) != 18 {
		t.Errorf("newest: %v %v", p, err)
	}
	for _, major := range []int{0, 17} {
		if _, err := findPin("plan9-mips", major); err == nil {
			t.Error("a build for an unknown platform")
		}
	}
}

// A build in the cache serves who has nothing installed. The cache is named by the
// environment, so this test runs alone.
func TestFindKnowsDownloadedBuilds(t *testing.T) {
	cache := t.TempDir()
	t.Setenv(CacheEnv, cache)
	if inst, err := Find(context.Background(), "", 99); !errors.Is(err, ErrNotFound) {
		t.Fatalf("with an empty cache: %+v, %v", inst, err)
	}
	home := filepath.Join(cache, "postgres", "99.1.0-"+platform(runtime.GOOS, runtime.GOARCH))
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fakePrograms(t, "99.1"), filepath.Join(home, "bin")); err != nil {
		t.Fatal(err)
	}
	found, err := Find(context.Background(), "", 99)
	if err != nil || found.Bin != filepath.Join(home, "bin") {
		t.Errorf("found %+v, %v", found, err)
	}
}
