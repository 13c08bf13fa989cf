package servertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/defarm-repo/defarm/web/server"
)

// databaseName is the file in a data directory that the template holds; the
// others are made at start.
const databaseName = "defarm.db"

// template is an empty, migrated database. It is made once in a process, and
// never changed: each server gets a copy.
var template = sync.OnceValues(makeTemplate)

func makeTemplate() (_ []byte, err error) {
	dir, err := os.MkdirTemp("", "servertest-template-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c := baseConfig(filepath.Join(dir, "data"))
	ctx := context.Background()
	s, err := server.Open(ctx, c, server.Options{})
	if err != nil {
		return nil, fmt.Errorf("make template database: %w", err)
	}
	if err := s.Close(ctx); err != nil {
		return nil, fmt.Errorf("make template database: %w", err)
	}
	// Closed, so everything is in this one file and nobody holds a lock on it.
	return os.ReadFile(filepath.Join(c.DataDir, databaseName))
}

func copyTemplate(dir string) error {
	data, err := template()
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, databaseName), data, 0o600)
}
