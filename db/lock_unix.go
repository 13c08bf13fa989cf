//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package db

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile takes the lock of the database at path, in a file beside it: the
// database file itself must never be opened by anything but SQLite, because
// closing any descriptor of it drops the process's POSIX locks. The operating
// system frees the lock when the process ends, however it ends. The file
// stays; removing it would race with a server that starts.
func lockFile(path string) (*os.File, error) {
	name := path + ".lock"
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock database %s: %w", path, err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return f, nil
	}
	if e := f.Close(); e != nil {
		err = errors.Join(err, e)
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("database %s is in use by another server (lock file %s): %w", path, name, ErrInUse)
	}
	return nil, fmt.Errorf("lock database %s: %w", path, err)
}
