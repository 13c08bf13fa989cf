package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// growth is how many items the large database of BenchmarkGrowth holds.
var growth = flag.Int("growth", 0, "items in the large database of BenchmarkGrowth, as 1000000; 0 skips it. "+
	"It is made once, below the user's cache directory")

const growthOwners = 20

// growthItem is a traced animal of one of many owners.
func growthItem(i int) *app.Item {
	it := searchItem(i)
	it.OwnerID = fmt.Sprintf("owner-%d", i%growthOwners)
	it.DFID = fmt.Sprintf("DFID-20250101-%06d-0", i)
	return it
}

// grownDB opens the database with n items, and makes it where it is missing. Its
// name holds a hash of the schema, so that a changed one is made anew.
func grownDB(b *testing.B, n int) *DB {
	b.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		b.Skip(err)
	}
	schema, err := os.ReadFile(filepath.Join("testdata", "schema.sql"))
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(schema)
	dir := filepath.Join(cache, "defarm-growth")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%d-%d-%s.db", n, growthOwners, hex.EncodeToString(sum[:4])))
	_, err = os.Stat(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			b.Fatal(err)
		}
		fill(b, path, n)
	}
	d, err := Open(context.Background(), DefaultOptions(path))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := d.Close(); err != nil {
			b.Error(err)
		}
	})
	return d
}

func fill(b *testing.B, path string, n int) {
	b.Helper()
	b.Logf("making %s", path)
	o := DefaultOptions(path + ".new")
	o.Synchronous = "OFF"
	if err := os.Remove(o.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.Fatal(err)
	}
	d, err := Open(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	const piece = 500
	for from := 0; from < n; from += piece {
		mustWrite(b, d, func(tx app.Tx) error {
			for i := from; i < min(from+piece, n); i++ {
				it := growthItem(i)
				if err := tx.Items().Insert(it); err != nil {
					return err
				}
				if _, err := tx.Items().AddCanonical(it.Identifiers[0].CanonicalKey(), it.Row); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := d.indexer.catchUp(context.Background()); err != nil {
		b.Fatal(err)
	}
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
	if err := os.Rename(o.Path, path); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkGrowth compares a small database with a large one in the same run:
//
//	go test ./db -run - -bench Growth -growth 1000000
func BenchmarkGrowth(b *testing.B) {
	if *growth == 0 {
		b.Skip("-growth is 0")
	}
	for _, n := range []int{1000, *growth} {
		d := grownDB(b, n)
		b.Run(fmt.Sprintf("create/%d", n), func(b *testing.B) { growthCreate(b, d) })
		for name, read := range map[string]func(r app.Reader, i int) error{
			"get": func(r app.Reader, i int) error {
				_, err := r.Items().ByDFID(growthItem(i).DFID)
				return err
			},
			"identifier": func(r app.Reader, i int) error {
				row, err := r.Items().ByCanonical(growthItem(i).Identifiers[0].CanonicalKey())
				if err == nil {
					_, err = r.Items().ByRow(row)
				}
				return err
			},
			"list 50": func(r app.Reader, i int) error {
				rows, err := r.Items().VisibleRows(growthItem(i).OwnerID, false, app.ItemFilter{}, app.Page{Limit: 50})
				if err == nil {
					_, err = r.Items().ByRows(rows)
				}
				return err
			},
			"search": func(r app.Reader, i int) error {
				value := growthItem(i).Identifiers[0].Value
				return r.Items().Candidates(growthItem(i).OwnerID, false, app.ItemFilter{}, app.FoldText(value[len(value)-6:]),
					func([]int64) (bool, error) { return false, nil })
			},
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						err := d.Read(context.Background(), func(r app.Reader) error { return read(r, rand.IntN(n)) })
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

// growthCreate creates local items from 32 clients, and takes them away again.
func growthCreate(b *testing.B, d *DB) {
	var serial atomic.Int64
	made := make([]*app.Item, b.N)
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(serial.Add(1)) - 1
			id := uuid.New()
			it := searchItem(rand.IntN(1 << 36))
			it.DFID, it.LocalID = app.LocalPrefix+id.String(), &id
			it.Data = map[string]json.RawMessage{"weight": json.RawMessage(`450.5`)}
			if err := d.Write(context.Background(), func(tx app.Tx) error { return tx.Items().Insert(it) }); err != nil {
				b.Error(err)
				return
			}
			made[i] = it
		}
	})
	b.StopTimer()
	for piece := range slices.Chunk(made, 100) {
		mustWrite(b, d, func(tx app.Tx) error {
			for _, it := range piece {
				if err := tx.Items().Delete(it); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
