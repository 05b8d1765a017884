package postgres

import (
	"context"
	"errors"
)

// Download will be filled in with the pinned builds.
func Download(ctx context.Context, major int) (Installation, error) {
	return Installation{}, errors.New("no pinned build")
}

func platform(goos, goarch string) string { return goos + "-" + goarch }
