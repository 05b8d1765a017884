package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// State is what somebody accepted: facts, and announcements of what is about to change.
type State struct {
	Version  int       `json:"version"`
	Database string    `json:"database"`
	At       time.Time `json:"accepted_at"`
	By       string    `json:"accepted_by"`
	Reason   string    `json:"reason"`
	// Announced are migrations: what drifts before their end is told, and no alarm.
	Announced []Announcement `json:"announced,omitempty"`
	Facts     Facts          `json:"facts"`
}

// Announcement is a time in which drift is expected.
type Announcement struct {
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// ErrNotAccepted is returned by [Read] where no state was accepted yet.
var ErrNotAccepted = errors.New("no state of the isolation was accepted yet")

// Read reads a state's file. A later one may be accepted ahead: see [Watcher].
func Read(name string) (*State, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s", ErrNotAccepted, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read the accepted state: %w", err)
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil || s.Version != 1 || len(s.Facts) == 0 {
		return nil, fmt.Errorf("%s is no state of moat watch accept", name)
	}
	return &s, nil
}

// Write writes the file anew, at once: who reads it meanwhile sees one state or the other.
func (s *State) Write(name string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), ".moat-state-*")
	if err != nil {
		return fmt.Errorf("write the accepted state: %w", err)
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(append(text, '\n'))
	err = errors.Join(err, temporary.Chmod(0o644), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write the accepted state: %w", err)
	}
	return nil
}

// Expected is the announcement in whose time now falls, nil when there is none.
func (s *State) Expected(now time.Time) *Announcement {
	for i := range s.Announced {
		if a := &s.Announced[i]; !now.Before(a.From) && now.Before(a.Until) {
			return a
		}
	}
	return nil
}

// Drift is one fact that differs. Before is "" for what was added, After for what is gone.
type Drift struct {
	Fact   string `json:"fact"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// String says it in one line for people.
func (d Drift) String() string {
	switch {
	case d.Before == "":
		return "+ " + d.Fact + ": " + d.After
	case d.After == "":
		return "- " + d.Fact + ": " + d.Before
	}
	return "! " + d.Fact + ": " + d.Before + " → " + d.After
}

// Compare lists the facts that differ, in the order of their names.
func Compare(accepted, found Facts) []Drift {
	names := maps.Clone(accepted)
	maps.Copy(names, found)
	var all []Drift
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, was := accepted[name]
		after, is := found[name]
		if before != after || was != is {
			all = append(all, Drift{name, before, after})
		}
	}
	return all
}
