// Command man writes the man pages of moat, compressed, into the folder that is its argument.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/moat-db/moat/internal/cli"
)

func main() {
	if err := write(cli.Command(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

// write writes the page of a command and those of the commands below it. A page holds no day, so
// that the same source makes the same bytes.
func write(c *cobra.Command, folder string) error {
	if c.Name() == "completion" || c.Name() == "help" {
		return nil
	}
	c.DisableAutoGenTag = true
	var page bytes.Buffer
	header := &doc.GenManHeader{Title: strings.ToUpper(c.Name()), Section: "1", Source: "moat " + cli.Version(),
		Manual: "moat"}
	if err := doc.GenMan(c, header, &page); err != nil {
		return err
	}
	name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1.gz"
	if err := compress(filepath.Join(folder, name), page.Bytes()); err != nil {
		return err
	}
	for _, below := range c.Commands() {
		if err := write(below, folder); err != nil {
			return err
		}
	}
	return nil
}

func compress(path string, text []byte) error {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}
