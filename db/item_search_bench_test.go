package db

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/defarm-repo/defarm/app"
)

func searchItem(i int) *app.Item {
	it := localItem(fmt.Sprintf("user-%d", i%100), i,
		app.Identifier{Namespace: "bovino", Key: "sisbov", Value: fmt.Sprintf("BR%012d", i), Canonical: true},
		lot("lote", fmt.Sprintf("L-2025-%d", i%500)))
	it.Data = map[string]json.RawMessage{
		"breed": json.RawMessage(`"Nelore Mocho"`), "farm": json.RawMessage(fmt.Sprintf(`"Fazenda Santa Rita %d"`, i%300)),
		"weight": json.RawMessage(`450.5`), "birth": json.RawMessage(`"2024-05-17"`),
		"note": json.RawMessage(`"vaccinated against foot and mouth disease"`),
	}
	return it
}

// BenchmarkInsertSearch compares inserting items alone, as it is done, with
// indexing them in the same write. 64 items share a commit.
func BenchmarkInsertSearch(b *testing.B) {
	for name, at := range map[string]bool{"later": false, "at once": true} {
		b.Run(name, func(b *testing.B) {
			d := itemsDB(b)
			n := 0
			for b.Loop() {
				mustWrite(b, d, func(tx app.Tx) error {
					for range 64 {
						n++
						if err := tx.Items().Insert(searchItem(n)); err != nil {
							return err
						}
					}
					if !at {
						return nil
					}
					last, err := tx.Items().SearchBacklog()
					if err == nil {
						_, err = tx.Items().IndexSearch(last, 64)
					}
					return err
				})
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "us/item")
		})
	}
}
