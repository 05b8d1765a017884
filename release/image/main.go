// Command image packs a root file system into an archive that docker load and podman load read:
//
//	image -root ROOT.tar -user 65532 -tag moat:dev -o moat.tar -- /usr/bin/moat serve
//
// The first word of the command is the entry point, the rest what it does unless told otherwise.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run() error {
	root := flag.String("root", "", "tar of the root file system")
	user := flag.String("user", "", "numeric user to run as")
	tag := flag.String("tag", "", "name of the image")
	arch := flag.String("arch", "amd64", "architecture, as Go names it")
	ports := flag.String("ports", "", "ports that it listens on, like 8080/tcp,6432/tcp")
	env := flag.String("env", "", "environment, like A=1,B=2")
	out := flag.String("o", "", "archive to write")
	flag.Parse()
	if *root == "" || *user == "" || *user == "0" || *tag == "" || *out == "" || flag.NArg() == 0 {
		return errors.New("-root, -user (not 0), -tag, -o and a command are required")
	}
	layer, err := tarball.LayerFromFile(*root)
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	image, err = mutate.ConfigFile(image, config(image, *arch, *user, *ports, *env))
	if err != nil {
		return err
	}
	named, err := name.NewTag(*tag)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(*out, named, image)
}

func config(image v1.Image, arch, user, ports, env string) *v1.ConfigFile {
	c, err := image.ConfigFile()
	if err != nil { // an image in memory has one
		c = &v1.ConfigFile{}
	}
	c.OS, c.Architecture = "linux", arch
	c.Config = v1.Config{User: user, WorkingDir: "/", Entrypoint: flag.Args()[:1], Cmd: flag.Args()[1:],
		ExposedPorts: map[string]struct{}{}, Env: append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, words(env)...)}
	for _, p := range words(ports) {
		c.Config.ExposedPorts[p] = struct{}{}
	}
	return c
}

func words(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}
