package postgres

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// pidFile is what a server says about itself in postmaster.pid (PostgreSQL source,
// src/include/utils/pidfile.h).
type pidFile struct {
	pid   int  // line 1
	ready bool // line 8
}

// readPidFile returns the zero pidFile when there is none. A killed server leaves
// its file behind, so the pid has to be compared before anything else is believed.
func readPidFile(data string) pidFile {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return pidFile{}
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 0 {
		return pidFile{}
	}
	return pidFile{pid: pid, ready: len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"}
}
