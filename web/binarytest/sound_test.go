package binarytest

import (
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the driver, for a look at what a killed server left
)

// wantSound looks at a copy of the database that a server left, so that the
// next server finds the original as it was: pages, indexes, foreign keys, and
// what foreign keys cannot say.
func wantSound(t *testing.T, dataDir string) {
	t.Helper()
	copied := t.TempDir()
	// Without the shared memory file, which a power failure would not keep.
	for _, name := range []string{"defarm.db", "defarm.db-wal"} {
		copyFile(t, filepath.Join(dataDir, name), filepath.Join(copied, name))
	}
	conn, err := sql.Open("sqlite", "file:"+filepath.Join(copied, "defarm.db")+"?_journal_mode=WAL")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var verdict string
	if err := conn.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check: got %q (%v), want ok", verdict, err)
	}
	wantNoRows(t, conn, "broken foreign keys", "PRAGMA foreign_key_check")
	for name, query := range orphans {
		wantNoRows(t, conn, name, query)
	}
}

func wantNoRows(t *testing.T, conn *sql.DB, name, query string) {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if n > 0 {
		t.Errorf("%s: got %d rows, want none", name, n)
	}
}

// orphans are queries that find work that was done by half. In this test all
// items with a DFID come from push-local, which writes all of it in one
// transaction.
var orphans = map[string]string{
	"items of nobody":              `SELECT row FROM items WHERE owner_id NOT IN (SELECT id FROM users)`,
	"members without account":      `SELECT row FROM circuit_members WHERE user_id NOT IN (SELECT id FROM users)`,
	"activities without account":   `SELECT row FROM user_activities WHERE user_id NOT IN (SELECT id FROM users)`,
	"identifier hashes of no item": `SELECT item_row FROM item_identifiers WHERE item_row NOT IN (SELECT row FROM items)`,
	"items without identifiers":    `SELECT row FROM items WHERE row NOT IN (SELECT item_row FROM item_identifiers)`,
	"events of no item":            `SELECT row FROM events WHERE is_local = 0 AND dfid NOT IN (SELECT dfid FROM items)`,
	"items whose events do not add up": `SELECT i.row FROM items i
		WHERE i.event_count <> (SELECT COUNT(*) FROM events e WHERE e.dfid = i.dfid)`,
	"pushed items without event":    `SELECT row FROM items WHERE dfid LIKE 'DFID-%' AND dfid NOT IN (SELECT dfid FROM events)`,
	"pushed items outside circuits": `SELECT row FROM items WHERE dfid LIKE 'DFID-%' AND row NOT IN (SELECT item_row FROM circuit_items)`,
	"pushed items without canonical entry": `SELECT row FROM items WHERE dfid LIKE 'DFID-%'
		AND row NOT IN (SELECT item_row FROM canonical_identifiers)`,
	"pushed items without mapping": `SELECT row FROM items WHERE dfid LIKE 'DFID-%' AND row NOT IN (SELECT item_row FROM local_mappings)`,
	"pushed items without operation": `SELECT row FROM items WHERE dfid LIKE 'DFID-%'
		AND dfid NOT IN (SELECT dfid FROM circuit_operations)`,
	"operations on no item":      `SELECT row FROM circuit_operations WHERE dfid NOT IN (SELECT dfid FROM items)`,
	"operations without history": `SELECT 1 WHERE (SELECT COUNT(*) FROM circuit_operations) <> (SELECT COUNT(*) FROM circuit_activities)`,
	"pushed items not stored":    `SELECT row FROM items WHERE dfid LIKE 'DFID-%' AND row NOT IN (SELECT item_row FROM storage_records)`,
	"records without block":      `SELECT row FROM storage_records WHERE cid <> '' AND cid NOT IN (SELECT cid FROM ipfs_blocks)`,
	"blocks without record":      `SELECT cid FROM ipfs_blocks WHERE cid NOT IN (SELECT cid FROM storage_records)`,
	"a counter behind the items": `SELECT 1 WHERE (SELECT value FROM counters WHERE name = 'dfid') < (SELECT COUNT(*) FROM items WHERE dfid LIKE 'DFID-%')`,
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
