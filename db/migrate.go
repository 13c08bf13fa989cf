package db

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"regexp"
	"time"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one numbered change of the schema.
type migration struct {
	name     string // NNNN_name.sql
	checksum string // SHA-256 of text in hex
	text     string
}

var migrationName = regexp.MustCompile(`^[0-9]{4}_[a-z0-9_]+\.sql$`)

// loadMigrations reads the migrations of a file system in their order.
func loadMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	list := make([]migration, 0, len(names))
	for i, path := range names { // Glob sorts
		name := path[len("migrations/"):]
		if !migrationName.MatchString(name) || name[:4] != fmt.Sprintf("%04d", i+1) {
			return nil, fmt.Errorf("migration %s: the name must be %04d_name.sql", name, i+1)
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		sum := sha256.Sum256(text)
		list = append(list, migration{name: name, checksum: hex.EncodeToString(sum[:]), text: string(text)})
	}
	return list, nil
}

const (
	migrationsTable = `CREATE TABLE IF NOT EXISTS schema_migrations (
	name       TEXT    PRIMARY KEY,
	checksum   TEXT    NOT NULL,
	applied_at INTEGER NOT NULL
)`
	migrationsApplied = `SELECT name, checksum FROM schema_migrations ORDER BY name`
	migrationApplied  = `INSERT INTO schema_migrations (name, checksum, applied_at) VALUES (?, ?, ?)`
)

// migrate brings the database to the newest schema. It refuses one that was
// made by a newer binary, or by a migration that was edited afterwards. Where
// nothing is to do it costs one query.
func migrate(ctx context.Context, conn *sql.Conn, list []migration, now func() time.Time, log *slog.Logger) error {
	// Without the table the query fails; the code does not tell that from
	// other failures, but creating the table does.
	applied, err := appliedMigrations(ctx, conn)
	if err != nil {
		if _, err := conn.ExecContext(ctx, migrationsTable); err != nil {
			return fmt.Errorf("create migrations table: %w", err)
		}
		if applied, err = appliedMigrations(ctx, conn); err != nil {
			return err
		}
	}
	for i, a := range applied {
		if i >= len(list) || list[i].name != a.name {
			return fmt.Errorf("the database is newer than this binary: it has migration %s, which the binary does not know", a.name)
		}
		if list[i].checksum != a.checksum {
			return fmt.Errorf("migration %s was edited after it was applied: the database has checksum %s, the binary %s",
				a.name, a.checksum, list[i].checksum)
		}
	}
	pending := list[len(applied):]
	if len(pending) == 0 {
		return nil
	}
	return applyMigrations(ctx, conn, pending, now, log)
}

func appliedMigrations(ctx context.Context, conn *sql.Conn) ([]migration, error) {
	rows, err := conn.QueryContext(ctx, migrationsApplied)
	if err != nil {
		return nil, fmt.Errorf("read migrations table: %w", err)
	}
	defer rows.Close()
	var list []migration
	for rows.Next() {
		var m migration
		if err := rows.Scan(&m.name, &m.checksum); err != nil {
			return nil, fmt.Errorf("read migrations table: %w", err)
		}
		list = append(list, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read migrations table: %w", err)
	}
	return list, nil
}

// applyMigrations runs each migration in a transaction of its own. Foreign
// keys are off meanwhile, so that a migration can rebuild a table, and checked
// before each commit: a migration that breaks one leaves nothing behind.
func applyMigrations(ctx context.Context, conn *sql.Conn, pending []migration, now func() time.Time, log *slog.Logger) error {
	if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = 0"); err != nil {
		return fmt.Errorf("switch foreign keys off: %w", err)
	}
	for _, m := range pending {
		if err := applyMigration(ctx, conn, m, now()); err != nil {
			return fmt.Errorf("migration %s: %w", m.name, err)
		}
		log.Info("database migrated", slog.String("migration", m.name))
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA foreign_keys = 1"); err != nil {
		return fmt.Errorf("switch foreign keys on: %w", err)
	}
	return nil
}

func applyMigration(ctx context.Context, conn *sql.Conn, m migration, at time.Time) error {
	// ctx only before and after: an interrupted statement would end the
	// transaction under the ones that follow.
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if _, err := conn.ExecContext(ctx, textBeginWrite); err != nil {
		return err
	}
	err := func() error {
		if _, err := conn.ExecContext(ctx, m.text); err != nil {
			return err
		}
		if err := checkForeignKeys(ctx, conn); err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, migrationApplied, m.name, m.checksum, toUnix(at)); err != nil {
			return err
		}
		_, err := conn.ExecContext(ctx, textCommit)
		return err
	}()
	if err != nil {
		// Whether there still is a transaction depends on the error.
		if _, e := conn.ExecContext(ctx, textRollback); e != nil {
			return fmt.Errorf("%w (rollback: %w)", err, e)
		}
	}
	return err
}

// checkForeignKeys fails at the first row that points nowhere.
func checkForeignKeys(ctx context.Context, conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, "PRAGMA foreign_key_check")
	if err != nil {
		return fmt.Errorf("check foreign keys: %w", err)
	}
	defer rows.Close()
	if rows.Next() {
		var table, parent string
		var row sql.NullInt64
		var index int
		if err := rows.Scan(&table, &row, &parent, &index); err != nil {
			return fmt.Errorf("check foreign keys: %w", err)
		}
		return fmt.Errorf("row %d of table %s points to a row of %s that does not exist", row.Int64, table, parent)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("check foreign keys: %w", err)
	}
	return nil
}
