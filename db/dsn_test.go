package db

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/defarm-repo/defarm/app"
)

// The settings hold on every connection, those that depend on order included.
func TestPragmasOnEveryConnection(t *testing.T) {
	t.Parallel()
	d := engineDB(t, func(o *Options) { o.Synchronous, o.Readers, o.MMap = "FULL", 3, 4*mebibyte })
	ctx := context.Background()
	if err := checkPragmas(ctx, d.writer.s.conn, pragmas(d.o, roleWriter)); err != nil {
		t.Errorf("writer: %v", err)
	}
	for range d.o.Readers {
		s := <-d.readers.free
		if err := checkPragmas(ctx, s.conn, pragmas(d.o, roleReader)); err != nil {
			t.Errorf("reader %d: %v", s.slot, err)
		}
		defer func() { d.readers.free <- s }()
	}
}

// A setting that does not take stops the start: a file with another page size
// keeps it, silently as far as SQLite is concerned.
func TestPragmaThatDoesNotTake(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "other.db")
	if err := createFile(path); err != nil {
		t.Fatal(err)
	}
	pool, err := openPool("file://"+path+"?_pragma=page_size(8192)", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.ExecContext(t.Context(), "CREATE TABLE t (x)"); err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), DefaultOptions(path))
	if err == nil || !strings.Contains(err.Error(), "pragma page_size is 8192, must be 4096") {
		t.Errorf("got %v, want that the page size is refused", err)
	}
}

// Paths are paths, whatever characters they have.
func TestPathsWithAnyCharacters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain", "with space", "100%", "a?mode=memory", "a#b", "açaí", "a&_query_only=1", "%41"} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".db")
		o := DefaultOptions(path)
		o.Synchronous, o.Readers = "OFF", 1
		d, err := Open(t.Context(), o)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		mustWrite(t, d, func(tx app.Tx) error { return put(tx, "a") })
		if err := d.Close(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%q: the file was not written where it was asked for (%v)", name, err)
		}
	}
}

func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	err := d.Read(t.Context(), func(r app.Reader) error {
		_, err := r.(readStores).s.exec("DELETE FROM users")
		return err
	})
	if app.CodeOf(err) != app.CodeStorageFull { // SQLITE_READONLY
		t.Errorf("got %v, want a refusal", err)
	}
}

// SQLite before 3.51.3 may corrupt the write-ahead log of two connections.
func TestVersionGate(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"3.51.3": true, "3.51.10": true, "3.52.0": true, "4.0.0": true,
		"3.51.2": false, "3.50.9": false, "2.99.99": false, "0.0.0": false,
		"": false, "3.51": false, "3.51.x": false, "3.51.-3": false, "v3.52.0": false,
	} {
		if err := checkVersion(text); (err == nil) != ok {
			t.Errorf("%q: got %v, want accepted %t", text, err, ok)
		}
	}
}

// modernc's libc must be the very version that modernc's SQLite was made for
// (see the driver's go.mod); others crash or corrupt.
func TestLibcIsTheDrivers(t *testing.T) {
	t.Parallel()
	goTool := func(dir string, args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %v: %v", args, err)
		}
		return out
	}
	var driver, libc struct{ Dir, Version string }
	for name, v := range map[string]any{"modernc.org/sqlite": &driver, "modernc.org/libc": &libc} {
		if err := json.Unmarshal(goTool("..", "list", "-m", "-json", name), v); err != nil {
			t.Fatal(err)
		}
	}
	var wants struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(goTool(driver.Dir, "mod", "edit", "-json"), &wants); err != nil {
		t.Fatal(err)
	}
	for _, r := range wants.Require {
		if r.Path == "modernc.org/libc" {
			if r.Version != libc.Version {
				t.Errorf("modernc.org/libc is %s; modernc.org/sqlite %s wants %s", libc.Version, driver.Version, r.Version)
			}
			return
		}
	}
	t.Errorf("modernc.org/sqlite %s does not name its libc", driver.Version)
}

func TestOptionsOutOfBounds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edit func(*Options)
		want string
	}{
		"path":        {func(o *Options) { o.Path = "" }, "database path is empty"},
		"readers":     {func(o *Options) { o.Readers = 0 }, "database.readers is 0"},
		"mmap":        {func(o *Options) { o.MMap = -1 }, "database.mmap is -1"},
		"synchronous": {func(o *Options) { o.Synchronous = "full" }, `database.synchronous is "full"`},
		"queue":       {func(o *Options) { o.Writer.QueueDepth = 0 }, "database.writer.queue_depth is 0"},
		"batch":       {func(o *Options) { o.Writer.MaxBatch = 10_001 }, "database.writer.max_batch is 10001"},
		"admission":   {func(o *Options) { o.Writer.AdmissionTimeout = -1 }, "database.writer.admission_timeout"},
		"max wait":    {func(o *Options) { o.Writer.MaxWait = 0 }, "database.writer.max_wait is 0s"},
		"checkpoint":  {func(o *Options) { o.CheckpointBytes = 1 }, "database.checkpoint_bytes is 1"},
		"cache":       {func(o *Options) { o.Cache.Bytes = 1 }, "cache.bytes is 1"},
		"read wait":   {func(o *Options) { o.ReadWait = -1 }, "database.read_wait"},
	}
	for name, tc := range tests {
		o := DefaultOptions(filepath.Join(t.TempDir(), "x.db"))
		tc.edit(&o)
		_, err := Open(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
	if err := DefaultOptions("x").Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}
