package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// BinEnv names the environment variable that holds the folder of postgres and
// initdb, and so ends the search.
const BinEnv = "MOAT_POSTGRES_BIN"

// ErrNotFound is matched, through [errors.Is], by the error of [Find] and [Start]
// when the machine has no usable PostgreSQL binaries.
var ErrNotFound = errors.New("no PostgreSQL binaries found")

// NotFoundError says which PostgreSQL was looked for in vain. Its text is one line
// with a hint how to install it.
type NotFoundError struct {
	// Major is the version demanded; zero means any from MinMajor on.
	Major int
	// Bin is the only folder looked at; empty means that the whole machine was.
	Bin string
}

func (e *NotFoundError) Error() string {
	name := "PostgreSQL"
	if e.Major != 0 {
		name = fmt.Sprintf("PostgreSQL %d", e.Major)
	}
	where := "on this machine"
	if e.Bin != "" {
		where = "in " + e.Bin
	}
	return fmt.Sprintf("no %s binaries (postgres, initdb) found %s: %s, point %s to their folder, or use "+
		"--download-postgres",
		name, where, installHint(), BinEnv)
}

// Is makes the error match [ErrNotFound].
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// installHint names the command of the package manager that this machine has.
func installHint() string {
	managers := [][2]string{
		{"apt-get", "apt install postgresql"},
		{"dnf", "dnf install postgresql-server"},
		{"apk", "apk add postgresql"},
		{"pacman", "pacman -S postgresql"},
		{"zypper", "zypper install postgresql-server"},
		{"brew", "brew install postgresql"},
	}
	for _, m := range managers {
		if _, err := exec.LookPath(m[0]); err == nil {
			return fmt.Sprintf("install it (%s)", m[1])
		}
	}
	return "install it"
}

// Installation is a folder of PostgreSQL programs.
type Installation struct {
	// Bin is the folder that holds postgres and initdb.
	Bin string
	// Major is the major version, such as 15.
	Major int
	// Version is the whole version, such as "15.18".
	Version string
}

// Find looks for PostgreSQL binaries and returns the newest.
//
// bin, or else the environment variable MOAT_POSTGRES_BIN, names the only folder to
// look at. With neither, Find looks along PATH, in the folders of the usual
// packages, at pg_config's answer, and, when none of these fits, among the builds
// that [Download] has fetched before. major demands one major version; zero takes
// any from [MinMajor] on. The error matches [ErrNotFound] when nothing fits.
func Find(ctx context.Context, bin string, major int) (Installation, error) {
	if bin == "" {
		bin = os.Getenv(BinEnv)
	}
	if bin != "" {
		if best, ok := newest(ctx, []string{bin}, major); ok {
			return best, nil
		}
		return Installation{}, &NotFoundError{Major: major, Bin: bin}
	}
	for _, folders := range [][]string{installedFolders(ctx), downloadedFolders()} {
		if best, ok := newest(ctx, folders, major); ok {
			return best, nil
		}
	}
	return Installation{}, &NotFoundError{Major: major}
}

// newest returns the installation of the highest version. On a tie the first
// folder wins, so the order of the search matters.
func newest(ctx context.Context, folders []string, major int) (best Installation, ok bool) {
	seen := make(map[string]bool, len(folders))
	for _, folder := range folders {
		if seen[folder] {
			continue
		}
		seen[folder] = true
		inst, err := inspect(ctx, folder)
		if err != nil || inst.Major < MinMajor || (major != 0 && inst.Major != major) {
			continue
		}
		if !ok || inst.Major > best.Major {
			best, ok = inst, true
		}
	}
	return best, ok
}

// inspect asks the postgres in folder for its version.
func inspect(ctx context.Context, folder string) (Installation, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return Installation{}, err
	}
	if info, err := os.Stat(filepath.Join(folder, "initdb")); err != nil || info.IsDir() {
		return Installation{}, fmt.Errorf("no initdb in %s", folder)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(folder, "postgres"), "--version").Output()
	if err != nil {
		return Installation{}, fmt.Errorf("ask postgres for its version: %w", err)
	}
	// postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
	_, rest, _ := strings.Cut(string(out), ") ")
	version, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return Installation{Bin: folder, Major: majorOf(version), Version: version}, nil
}

// majorOf reads the leading number of "15.18", "18beta1" or "15\n".
func majorOf(version string) int {
	end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(version)
	}
	major, err := strconv.Atoi(version[:end])
	if err != nil {
		return 0
	}
	return major
}

func installedFolders(ctx context.Context) []string {
	folders := pathFolders()
	patterns := []string{
		"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
		"/usr/pgsql-*/bin",                  // PGDG on Red Hat
		"/usr/libexec/postgresql*",          // Alpine
		"/usr/lib/postgresql*/bin",          // SUSE
		"/usr/local/pgsql/bin",              // from source
		"/opt/homebrew/opt/postgresql*/bin", // Homebrew on Apple silicon
		"/usr/local/opt/postgresql*/bin",    // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	}
	for _, pattern := range patterns {
		matches, _ := filepath.Glob(pattern) // the patterns are well formed
		folders = append(folders, matches...)
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(out)))
	}
	return folders
}

// pathFolders returns where the postgres programs of PATH really live: a link in
// /usr/bin has no initdb next to it, its target has.
func pathFolders() []string {
	var folders []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err == nil && filepath.IsAbs(program) {
			folders = append(folders, filepath.Dir(program))
		}
	}
	return folders
}

// downloadedFolders lists the builds in the cache, for this kind of machine.
func downloadedFolders() []string {
	cache, err := CacheDir()
	if err != nil {
		return nil
	}
	matches, _ := filepath.Glob(filepath.Join(cache, "postgres", "*-"+platform(runtime.GOOS, runtime.GOARCH), "bin"))
	return matches
}
