package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Names inside the data directory.
const (
	databaseFile = "defarm.db"
	jwtKeyFile   = "jwt.key"
	demoMarker   = "demo"
)

const demoMarkerText = "This directory was made by `defarm serve --demo`. Its accounts have well-known passwords.\n"

// dataKind says which data directories are accepted.
type dataKind uint8

const (
	dataReal dataKind = iota // only one that was not made with --demo
	dataDemo                 // only one that was
	dataAny                  // either: commands that act on accounts
)

// prepareDataDir makes the directory, or checks the one that is there, and
// returns its absolute path.
func prepareDataDir(dir string, kind dataKind) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make data directory: %w", err)
	}
	if err := checkDirMode(dir); err != nil {
		return "", err
	}
	return dir, checkKind(dir, kind)
}

// checkDirMode refuses a directory that others may enter. An empty one is
// closed instead: whoever made it by hand meant it for this.
func checkDirMode(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("data directory: %s is a file", dir)
	}
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("data directory %s can be entered by others (mode %04o): run `chmod 700 %s`, or choose a directory below it, which is then made with the right mode",
			dir, info.Mode().Perm(), dir)
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory needs x
		return fmt.Errorf("close data directory to others: %w", err)
	}
	return nil
}

// checkKind keeps demonstration data and real data apart. A new directory
// becomes what is asked for.
func checkKind(dir string, kind dataKind) error {
	isDemo, err := exists(filepath.Join(dir, demoMarker))
	if err != nil {
		return err
	}
	hasData, err := exists(filepath.Join(dir, databaseFile))
	if err != nil {
		return err
	}
	switch {
	case kind == dataReal && isDemo && !hasData: // a start with --demo that failed
		if err := os.Remove(filepath.Join(dir, demoMarker)); err != nil {
			return fmt.Errorf("unmark data directory: %w", err)
		}
	case kind == dataReal && isDemo:
		return fmt.Errorf("data directory %s was made with --demo and its accounts have well-known passwords: start with --demo, or choose another directory with --data-dir", dir)
	case kind == dataDemo && hasData && !isDemo:
		return fmt.Errorf("data directory %s was not made with --demo, which would add accounts with well-known passwords to it: choose another directory with --data-dir", dir)
	case kind == dataDemo && !isDemo:
		if err := os.WriteFile(filepath.Join(dir, demoMarker), []byte(demoMarkerText), 0o600); err != nil {
			return fmt.Errorf("mark data directory: %w", err)
		}
	}
	return nil
}

func exists(file string) (bool, error) {
	_, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("data directory: %w", err)
	}
	return true, nil
}
