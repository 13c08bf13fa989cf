package db

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app"
)

// writeSchema writes testdata/schema.sql: go test ./db -run Schema -schema
var writeSchema = flag.Bool("schema", false, "write testdata/schema.sql instead of comparing with it")

// scripts is a file system of migrations, numbered in their order.
func scripts(texts ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for i, text := range texts {
		files[fmt.Sprintf("migrations/%04d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// openWith opens the database at path with other migrations and closes it.
func openWith(t *testing.T, path string, files fstest.MapFS) error {
	t.Helper()
	o := DefaultOptions(path)
	o.Synchronous, o.Readers = "OFF", 1
	d, err := open(context.Background(), o, files)
	if err != nil {
		return err
	}
	return d.Close()
}

const (
	stepOne = `CREATE TABLE users (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE)`
	stepTwo = `CREATE TABLE notes (row INTEGER PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id));
INSERT INTO users (id) VALUES ('a'); INSERT INTO notes (user_id) VALUES ('a')`
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		first fstest.MapFS // applied before, nil for a new file
		then  fstest.MapFS
		want  string // of the error, "" for none
	}{
		{"new file", nil, scripts(stepOne, stepTwo), ""},
		{"nothing new", scripts(stepOne), scripts(stepOne), ""},
		{"one more", scripts(stepOne), scripts(stepOne, stepTwo), ""},
		{"edited", scripts(stepOne), scripts(stepOne + " "), "migration 0001_step.sql was edited after it was applied"},
		{"newer than the binary", scripts(stepOne, stepTwo), scripts(stepOne), "the database is newer than this binary: it has migration 0002_step.sql"},
		{"renamed", scripts(stepOne), fstest.MapFS{"migrations/0001_other.sql": {Data: []byte(stepOne)}}, "the database is newer than this binary"},
		{"syntax error", nil, scripts(stepOne, "CREATE TABEL x (y)"), "migration 0002_step.sql: "},
		{"breaks a foreign key", scripts(stepOne, stepTwo), scripts(stepOne, stepTwo, "DELETE FROM users"), "of table notes points to a row of users that does not exist"},
		{"a gap", nil, fstest.MapFS{"migrations/0002_step.sql": {Data: []byte(stepOne)}}, "migration 0002_step.sql: the name must be 0001_name.sql"},
		{"a bad name", nil, fstest.MapFS{"migrations/0001 step.sql": {Data: []byte(stepOne)}}, "the name must be"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "m.db")
			if tc.first != nil {
				if err := openWith(t, path, tc.first); err != nil {
					t.Fatal(err)
				}
			}
			err := openWith(t, path, tc.then)
			switch {
			case tc.want == "" && err != nil:
				t.Fatalf("got %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if tc.want == "" {
				err = openWith(t, path, tc.then) // and again
			} else if tc.first != nil {
				err = openWith(t, path, tc.first) // a refusal has changed nothing
			}
			if (tc.want == "" || tc.first != nil) && err != nil {
				t.Errorf("opened again: %v", err)
			}
		})
	}
}

// A migration that fails leaves nothing of itself, and those before it stay.
func TestMigrationIsWhole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "m.db")
	half := "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1)"
	if err := openWith(t, path, scripts(stepOne, half)); err == nil {
		t.Fatal("a migration with an error was applied")
	}
	// The same table can be made by the next try.
	if err := openWith(t, path, scripts(stepOne, "CREATE TABLE half (x)")); err != nil {
		t.Error(err)
	}
}

// What a reader of the schema sees after all migrations.
func TestSchema(t *testing.T) {
	t.Parallel()
	d := engineDB(t)
	var out strings.Builder
	mustRead(t, d, func(r app.Reader) error {
		rows, err := r.(readStores).s.query(`SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			out.WriteString(text + ";\n")
		}
		return rows.Err()
	})
	file := filepath.Join("testdata", "schema.sql")
	if *writeSchema {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (-schema writes it)", err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}
