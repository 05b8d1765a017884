// Command pack makes the deb and the rpm of one program as .goreleaser.yaml describes them, where
// goreleaser itself, which takes minutes to compile, would be too much:
//
//	pack -program bin/moat -version 1.0.0 -arch amd64 -o dist
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // the formats register themselves
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run() error {
	program := flag.String("program", "", "program to pack")
	version := flag.String("version", "", "its version")
	arch := flag.String("arch", "amd64", "its architecture, as Go names it")
	out := flag.String("o", ".", "folder to write to")
	flag.Parse()
	if *program == "" || *version == "" {
		return errors.New("-program and -version are required")
	}
	described, formats, err := description(".goreleaser.yaml", *program, *version, *arch)
	if err != nil {
		return err
	}
	for _, format := range formats {
		if err := write(described, format, *out); err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
	}
	return nil
}

// description is the part of goreleaser's configuration that it hands to nfpm, as nfpm's own.
func description(file, program, version, arch string) (nfpm.Config, []string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nfpm.Config{}, nil, err
	}
	var all struct {
		Project string `yaml:"project_name"`
		NFPMs   []map[string]any
	}
	if err := yaml.Unmarshal(text, &all); err != nil || len(all.NFPMs) != 1 {
		return nfpm.Config{}, nil, fmt.Errorf("%s: one entry of nfpms expected, %w", file, err)
	}
	one := all.NFPMs[0]
	var formats []string
	for _, f := range one["formats"].([]any) {
		formats = append(formats, fmt.Sprint(f))
	}
	delete(one, "formats")
	one["name"], one["version"], one["arch"], one["platform"] = all.Project, version, arch, "linux"
	one["contents"] = append(one["contents"].([]any), map[string]any{"src": program, "dst": "/usr/bin/" + all.Project,
		"file_info": map[string]any{"mode": 0o755}})
	own, err := yaml.Marshal(one)
	if err != nil {
		return nfpm.Config{}, nil, err
	}
	c, err := nfpm.Parse(bytes.NewReader(own))
	return c, formats, err
}

func write(c nfpm.Config, format, folder string) error {
	info, err := c.Get(format)
	if err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	info = nfpm.WithDefaults(info)
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := packager.Package(info, &text); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, packager.ConventionalFileName(info)), text.Bytes(), 0o644)
}
